"""Making flavors with all that belongs to them: extra specs, and the projects that may use them."""
