"""Mail campaigns: planned, composed, sent once, resumed."""
