"""SSH on loopback for the present user: a server, and one for each pretended host."""

import os
import pwd
from pathlib import Path

from devcloud import machines
from devcloud.keys import KINDS, make_key
from devcloud.part import Part
from devcloud.service import Service
from devcloud.settings import Settings, private_file
from devcloud.work import run_to_end

PRIVILEGE_SEPARATION = ("sshd", Path("/run/sshd"))
"""The user and the folder that sshd insists on where it is started by root."""


def services(settings: Settings) -> list[Service]:
    """The server itself (no daemon, its log on standard error), and the pretended hosts."""
    command = (settings.program("sshd"), "-D", "-e", "-f", f"{settings.etc}/ssh/sshd_config")
    return [
        Service(
            "sshd",
            command,
            port="ssh",
            after=("ssh files",),
            in_venv=False,
            environ=tuple(settings.libraries.items()),
        ),
        *machines.services(settings),
    ]


def prepare(settings: Settings) -> None:
    """Make the keys of hosts and of their user, and the file of known hosts."""
    folder = settings.var / "ssh"
    for kind in KINDS:
        make_key(settings, folder / f"host_{kind}", kind)
        make_key(settings, folder / f"key_{kind}", kind)
    make_key(settings, folder / "key_encrypted", "ed25519", settings.passwords["service"])
    keys = sorted(folder.glob("key_*.pub"))
    private_file(folder / "authorized_keys", "".join(key.read_text() for key in keys))
    own = [("127.0.0.1", folder / f"host_{kind}.pub") for kind in KINDS]
    port = settings.ports["ssh"]
    known = [f"[{at}]:{port} {key.read_text()}" for at, key in own + machines.make_keys(settings)]
    private_file(folder / "known_hosts", "".join(known))
    if os.geteuid() == 0:
        _make_privilege_separation(settings)


def _make_privilege_separation(settings: Settings) -> None:
    user, folder = PRIVILEGE_SEPARATION
    folder.mkdir(mode=0o755, exist_ok=True)
    try:
        pwd.getpwnam(user)
    except KeyError:
        options = ["--system", "--no-create-home", "--home-dir", folder]
        shell = ["--shell", "/usr/sbin/nologin"]
        run_to_end(["useradd", *options, *shell, user], settings.log / "sshd-user.log")


SSH = Part(
    "ssh",
    services,
    programs=(("sshd", "openssh-server"), ("ssh-keygen", "openssh-client")),
    files=("ssh/sshd_config",),
    folders=("ssh", "machines"),
    prepare=prepare,
    values=machines.values,
    pack="ssh/openstack_ops.yaml",
)
