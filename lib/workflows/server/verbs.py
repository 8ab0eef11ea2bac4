"""The runbooks of servers that are one request and a wait: rows of ``verbs.servers``."""

from verbs.runbooks import register_server_verbs

register_server_verbs()
