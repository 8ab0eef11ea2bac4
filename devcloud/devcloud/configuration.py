"""Configuration files: the templates in ``devcloud/etc``, filled in for this devcloud."""

import base64
import os
import shutil
from pathlib import Path
from string import Template

from devcloud.broker import password_hash
from devcloud.groups import parts
from devcloud.service import user_name
from devcloud.settings import HERE, Settings, private_file

TEMPLATES = HERE / "etc"

FILES = {
    "mariadb.cnf": None,
    "rabbitmq.conf": None,
    "rabbitmq-definitions.json": None,
    "rabbitmq-plugins": None,
    "keystone/keystone.conf": None,
    "placement/placement.conf": "placement",
    "glance/glance-api.conf": "glance",
    "nova/nova.conf": "nova",
    "nova/nova-db.conf": None,
    "neutron/neutron.conf": "neutron",
    "neutron/ml2_conf.ini": None,
    "neutron/agents.conf": None,
    "cinder/cinder.conf": "cinder",
}
"""Each file with the service user it logs in as, if any."""

SHIPPED = (
    "glance/glance-api-paste.ini",
    "nova/api-paste.ini",
    "neutron/api-paste.ini",
    "cinder/api-paste.ini",
    "cinder/resource_filters.json",
)
"""Files taken as they come with the packages, from the virtualenv's etc."""

FOLDERS = (
    "lock",
    "rabbitmq/tls",
    "nova",
    "neutron",
    "cinder",
    "glance/images",
    "glance/staging",
    "glance/tasks",
    "done",
    "openstack_ops",
)


def write_configuration(settings: Settings) -> None:
    """Write every configuration file; those that already read so are left alone."""
    make_folders(settings)
    values = _values(settings)
    for part in parts(settings.groups):
        values |= part.values(settings)
    for name, user in FILES.items():
        _render(TEMPLATES / name, settings.etc / name, values | _snippets(values, user))
    for host in settings.compute_hosts:
        target = settings.etc / "nova" / f"{host}.conf"
        _render(TEMPLATES / "nova/compute.conf", target, values | {"host": host})
    for name in SHIPPED:
        shutil.copyfile(settings.venv / "etc" / name, settings.etc / name)
    for part in parts(settings.groups):
        for name in part.files:
            _render(TEMPLATES / name, settings.etc / name, values)
    _render(TEMPLATES / "clouds.yaml", settings.state / "clouds.yaml", values)
    _write_pack_configuration(settings, values)
    for keys in ("fernet-keys", "credential-keys"):
        _make_keys(settings.var / "keystone" / keys)


def _write_pack_configuration(settings: Settings, values: dict[str, object]) -> None:
    """The pack's configuration: the cloud's, and a piece for each part that has one."""
    names = ["openstack_ops.yaml", *(part.pack for part in parts(settings.groups) if part.pack)]
    text = "".join((TEMPLATES / name).read_text() for name in names)
    private_file(settings.state / "openstack_ops.yaml", Template(text).substitute(values))


def make_folders(settings: Settings) -> None:
    """The folders of a devcloud, closed to other users."""
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = parts(settings.groups)
    files = [*FILES, *(name for part in beside for name in part.files)]
    folders = [*FOLDERS, *(name for part in beside for name in part.folders)]
    hosts = [f"nova/{host}" for host in settings.compute_hosts]
    for folder in (
        settings.run,
        settings.log,
        *(settings.etc / name for name in {Path(name).parent for name in files}),
        *(settings.var / name for name in (*folders, *hosts)),
    ):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _values(settings: Settings) -> dict[str, object]:
    passwords = {f"{name}_password": value for name, value in settings.passwords.items()}
    ports = {f"{name}_port": port for name, port in settings.ports.items()}
    urls = {f"{name}_url": settings.url(name) for name in settings.ports}
    at = "@127.0.0.1:"
    return {
        **passwords,
        **ports,
        **urls,
        "etc": settings.etc,
        "run": settings.run,
        "var": settings.var,
        "user": user_name(),
        "sockets": settings.sockets,
        "host_vcpus": settings.host_vcpus,
        "host_memory_gib": settings.host_memory_gib,
        "host_disk_gib": settings.host_disk_gib,
        "database_url": "mysql+pymysql://devcloud:"
        f"{settings.passwords['database']}{at}{settings.ports['mariadb']}",
        "rabbitmq_password_hash": password_hash(settings.passwords["rabbitmq"]),
        "transport_url": "rabbit://devcloud:"
        f"{settings.passwords['rabbitmq']}{at}{settings.ports['rabbitmq']}/",
    }


def _snippets(values: dict[str, object], user: str | None) -> dict[str, str]:
    """The sections that many files share, for one service user."""
    filled = values | {"service_user": user}
    return {
        name: Template((TEMPLATES / f"shared/{name}.conf").read_text()).substitute(filled)
        for name in ("authtoken", "login", "messaging")
    }


def _render(template: Path, target: Path, values: dict[str, object]) -> None:
    private_file(target, Template(template.read_text()).substitute(values))


def _make_keys(folder: Path) -> None:
    """A Keystone key repository as its own set-up makes it: 0 is the staged key, 1 the primary."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("0", "1"):
        if not (folder / name).exists():
            private_file(folder / name, base64.urlsafe_b64encode(os.urandom(32)).decode())
