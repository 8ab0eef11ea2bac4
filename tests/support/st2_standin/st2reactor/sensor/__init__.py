"""As in StackStorm."""
