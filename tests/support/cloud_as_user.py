"""``./runbook`` as another user, who may not be able to read this Python's own files.

Called with a user's and a group's number and then the arguments of ``./runbook``. Everything is
imported before root is given up.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401
import os
import pkgutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib import import_module
from io import StringIO
from pathlib import Path

LIB = Path(__file__).parents[2] / "lib"
#: Whose modules are imported where they are used.
_OURS = ("accounts", "local_runner", "openstack_api", "query_api", "state", "workflow_api")
_OTHERS = (
    "alembic.command",
    "keystoneauth1.loading",
    "openstack.compute.v2._proxy",
    "openstack.connection",
    "sqlalchemy.dialects.sqlite.pysqlite",
)


def main() -> int:
    """Import, become somebody else, and go on as ``./runbook``."""
    user, group, *arguments = sys.argv[1:]
    sys.path[0] = str(LIB)
    for name in (*_OURS, "workflows"):
        for module in pkgutil.iter_modules([str(LIB / name)], f"{name}."):
            import_module(module.name)
    for name in _OTHERS:
        import_module(name)
    from local_runner.app import main as runbook

    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        runbook(["run", "run.list", "limit=none"])  # refused, after whatever typer imports late
    os.setgroups([int(group)])
    os.setgid(int(group))
    os.setuid(int(user))
    os.umask(0o022)
    sys.path[:] = [path for path in sys.path if os.access(path, os.R_OK | os.X_OK)]
    return runbook(arguments)


if __name__ == "__main__":
    sys.exit(main())
