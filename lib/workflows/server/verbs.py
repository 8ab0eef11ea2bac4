"""The runbooks of servers that are one request and a wait: rows of ``verbs``' tables."""

from verbs.new_servers import SERVER_CREATION
from verbs.runbooks import register, register_creations
from verbs.server_removal import SERVER_DELETE
from verbs.server_sizes import SIZE_VERBS
from verbs.servers import SERVER, SERVER_VERBS
from verbs.servers_marks import MARK_VERBS
from verbs.servers_migrations import MIGRATION_VERBS
from verbs.servers_ports import PORT_VERBS
from verbs.servers_repair import REPAIR_VERBS
from verbs.servers_update import UPDATE_VERBS
from verbs.servers_volumes import VOLUME_DEVICE_VERBS

register(
    SERVER,
    [
        *SERVER_VERBS,
        *MARK_VERBS,
        *MIGRATION_VERBS,
        *PORT_VERBS,
        *REPAIR_VERBS,
        *SIZE_VERBS,
        *UPDATE_VERBS,
        *VOLUME_DEVICE_VERBS,
        SERVER_DELETE,
    ],
)
register_creations([SERVER_CREATION])
