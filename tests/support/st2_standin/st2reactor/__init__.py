"""What of StackStorm a sensor sees, in a few lines."""
