"""What runbooks share that work with monitoring: marks of what is ours, and silences."""
