"""Mail: notices, messages and the way to a mail server. Campaigns put them together elsewhere."""
