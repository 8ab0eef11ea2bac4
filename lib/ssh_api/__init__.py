"""Running commands on hosts by SSH: typed functions over an account, and nothing of plans."""
