"""What goes to a service and comes back: filters, pages, decoding."""
