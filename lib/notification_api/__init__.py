"""Notifications of OpenStack's services, read from their message brokers."""
