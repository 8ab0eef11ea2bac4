"""MariaDB's files, the databases of the services, and their schemas."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from devcloud import waiting
from devcloud.errors import DevcloudError
from devcloud.service import environment
from devcloud.settings import Settings
from devcloud.work import run_to_end

DATABASES = (
    "keystone",
    "nova_api",
    "nova",
    "nova_cell0",
    "neutron",
    "glance",
    "placement",
    "cinder",
)


@dataclass(frozen=True)
class Schema:
    """The command that brings one service's databases to their newest schema.

    ``covers`` says for what it was done; for something else it is done again.
    """

    name: str
    command: tuple[str, ...]
    covers: str = ""


def schemas(settings: Settings) -> list[Schema]:
    """The longest first: they run side by side."""
    etc = settings.etc
    return [
        Schema("keystone", ("devcloud-schema", "keystone", f"{etc}/keystone/keystone.conf")),
        Schema(
            "neutron",
            (
                "neutron-db-manage",
                f"--config-file={etc}/neutron/neutron.conf",
                f"--config-file={etc}/neutron/ml2_conf.ini",
                *("upgrade", "heads"),
            ),
        ),
        Schema(
            "nova",
            ("devcloud-schema", "nova", f"{etc}/nova/nova.conf", f"{etc}/nova/nova-db.conf"),
            # It maps the hosts too, so a devcloud that grows needs it again.
            covers=f"-{len(settings.compute_hosts)}-hosts",
        ),
        Schema(
            "cinder", ("cinder-manage", f"--config-file={etc}/cinder/cinder.conf", "db", "sync")
        ),
        Schema(
            "placement",
            ("placement-manage", f"--config-file={etc}/placement/placement.conf", "db", "sync"),
        ),
        Schema(
            "glance", ("glance-manage", f"--config-file={etc}/glance/glance-api.conf", "db_sync")
        ),
    ]


def make_database_files(settings: Settings) -> None:
    """MariaDB's own tables, before its first start. What a killed attempt left is made anew."""
    folder, done = settings.var / "mysql", settings.var / "done" / "database-files"
    if done.exists():
        return
    _run_logged(
        settings,
        "mariadb-install",
        (
            *("mariadb-install-db", "--no-defaults", f"--datadir={folder}"),
            *("--auth-root-authentication-method=normal", "--skip-test-db"),
        ),
    )
    done.touch()


def make_databases(settings: Settings) -> None:
    """The databases and the one account that uses them."""
    done = settings.var / "done" / "databases"
    if done.exists():
        return
    password = settings.passwords["database"]
    statements = [
        f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3" for name in DATABASES
    ]
    statements += [
        f"CREATE OR REPLACE USER devcloud@127.0.0.1 IDENTIFIED BY '{password}'",
        "GRANT ALL ON *.* TO devcloud@127.0.0.1",
        f"ALTER USER root@localhost IDENTIFIED BY '{password}'",
    ]
    waiting.until((settings.sockets / "mysql.sock").exists, seconds=30)
    query(settings, ";\n".join(statements), password="")
    done.touch()


def make_schema(settings: Settings, schema: Schema) -> None:
    """Create or upgrade the schema once; every command here can be run again after a kill."""
    done = settings.var / "done" / f"schema-{schema.name}{schema.covers}"
    if done.exists():
        return
    _run_logged(settings, f"schema-{schema.name}", schema.command)
    done.touch()


def query(settings: Settings, statements: str, password: str | None = None) -> list[list[str]]:
    """Run SQL as MariaDB's root; rows as lists of text. The password travels by environment."""
    secret = settings.passwords["database"] if password is None else password
    answer = subprocess.run(
        (
            *("mariadb", "--no-defaults", f"--socket={settings.sockets}/mysql.sock"),
            *("--user=root", "--skip-column-names", "--batch"),
        ),
        input=statements,
        env=environment(settings) | {"MYSQL_PWD": secret},
        capture_output=True,
        text=True,
    )
    if answer.returncode:
        raise DevcloudError(f"MariaDB refused a statement: {answer.stderr.strip()}")
    return [line.split("\t") for line in answer.stdout.splitlines()]


def _run_logged(settings: Settings, name: str, command: Sequence[str]) -> None:
    environ = environment(settings) | _first_admin(settings)
    run_to_end(command, settings.log / f"{name}.log", environ)


def _first_admin(settings: Settings) -> dict[str, str]:
    """What Keystone's bootstrap reads from the environment, so that it is in no process list."""
    url = settings.url("keystone", "/v3")
    return {
        "OS_BOOTSTRAP_PASSWORD": settings.passwords["admin"],
        "OS_BOOTSTRAP_ADMIN_URL": url,
        "OS_BOOTSTRAP_INTERNAL_URL": url,
        "OS_BOOTSTRAP_PUBLIC_URL": url,
        "OS_BOOTSTRAP_REGION_ID": "RegionOne",
    }
