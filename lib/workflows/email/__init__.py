"""Mail runbooks: importing this package registers all of them."""

from workflows.email import campaign, hosts, lists, query, retiring, servers

__all__ = ["campaign", "hosts", "lists", "query", "retiring", "servers"]
