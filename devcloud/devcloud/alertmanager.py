"""An Alertmanager on loopback, under the authority and the certificates of the Icinga beside it."""

import os
import shutil
from pathlib import Path

from devcloud.errors import DevcloudError
from devcloud.part import Part
from devcloud.service import Service
from devcloud.settings import Settings

PROGRAM = "prometheus-alertmanager"
TEMPLATES = Path("/usr/share/prometheus/alertmanager")
"""Where Debian's Alertmanager looks for its templates, without which it does not start."""


def services(settings: Settings) -> list[Service]:
    """The one of a cluster of one; its log goes to standard error."""
    command = (
        settings.program(PROGRAM),
        f"--config.file={settings.etc}/alertmanager/alertmanager.yml",
        f"--web.config.file={settings.etc}/alertmanager/web.yml",
        f"--web.listen-address=127.0.0.1:{settings.ports['alertmanager']}",
        f"--storage.path={settings.var}/alertmanager",
        "--cluster.listen-address=",
    )
    return [
        Service(
            "alertmanager",
            command,
            port="alertmanager",
            after=("alertmanager files", "icinga files"),
            in_venv=False,
        )
    ]


def prepare(settings: Settings) -> None:
    """Have the templates where Debian's program looks for them, if they were only unpacked."""
    if TEMPLATES.exists():
        return
    unpacked = settings.unpacked / TEMPLATES.relative_to("/")
    if os.geteuid() != 0:
        raise DevcloudError(
            f"Alertmanager looks for templates in {TEMPLATES}; as root: mkdir -p {TEMPLATES.parent}"
            f" && cp -r {unpacked} {TEMPLATES}"
        )
    TEMPLATES.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.copytree(unpacked, TEMPLATES)


ALERTMANAGER = Part(
    "alertmanager",
    services,
    programs=((PROGRAM, PROGRAM),),
    files=("alertmanager/alertmanager.yml", "alertmanager/web.yml"),
    folders=("alertmanager",),
    prepare=prepare,
    pack="alertmanager/openstack_ops.yaml",
)
