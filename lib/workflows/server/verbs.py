"""The runbooks of servers that are one request and a wait: rows of ``verbs``' tables."""

from verbs.runbooks import register
from verbs.servers import SERVER, SERVER_VERBS
from verbs.servers_marks import MARK_VERBS
from verbs.servers_repair import REPAIR_VERBS

register(SERVER, [*SERVER_VERBS, *MARK_VERBS, *REPAIR_VERBS])
