"""Whether this installation is in good health."""
