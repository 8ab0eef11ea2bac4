"""The runbooks of servers that are one request and a wait: rows of ``verbs.servers``."""

from verbs.runbooks import register
from verbs.servers import SERVER, SERVER_VERBS

register(SERVER, SERVER_VERBS)
