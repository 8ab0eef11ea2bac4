"""Mail runbooks: each module beside registers some."""
