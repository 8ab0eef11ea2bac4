"""Questions as actions ask them."""
