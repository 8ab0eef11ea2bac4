"""An SSH server on loopback, with keys of its own, for the present user."""

import os
import pwd
import subprocess
from pathlib import Path

from devcloud.part import Part
from devcloud.service import Service
from devcloud.settings import Settings, private_file
from devcloud.work import run_to_end

KINDS = {"ed25519": (), "ecdsa": ("-b", "256"), "rsa": ("-b", "3072")}
PRIVILEGE_SEPARATION = ("sshd", Path("/run/sshd"))
"""The user and the folder that sshd insists on where it is started by root."""


def services(settings: Settings) -> list[Service]:
    """The server itself: no daemon, its log on standard error."""
    command = (settings.program("sshd"), "-D", "-e", "-f", f"{settings.etc}/ssh/sshd_config")
    return [
        Service(
            "sshd",
            command,
            port="ssh",
            after=("ssh files",),
            in_venv=False,
            environ=tuple(settings.libraries.items()),
        )
    ]


def prepare(settings: Settings) -> None:
    """Make the keys of hosts and of their user, and the file of known hosts."""
    folder = settings.var / "ssh"
    for kind in KINDS:
        _make_key(settings, folder / f"host_{kind}", kind)
        _make_key(settings, folder / f"key_{kind}", kind)
    _make_key(settings, folder / "key_encrypted", "ed25519", settings.passwords["service"])
    keys = sorted(folder.glob("key_*.pub"))
    private_file(folder / "authorized_keys", "".join(key.read_text() for key in keys))
    address = f"[127.0.0.1]:{settings.ports['ssh']}"
    hosts = (folder / f"host_{kind}.pub" for kind in KINDS)
    private_file(folder / "known_hosts", "".join(f"{address} {key.read_text()}" for key in hosts))
    if os.geteuid() == 0:
        _make_privilege_separation(settings)


def _make_key(settings: Settings, path: Path, kind: str, passphrase: str = "") -> None:
    if path.with_suffix(".pub").exists():
        return
    path.unlink(missing_ok=True)
    # standard input and not the command line, which everybody on this machine can read
    subprocess.run(
        [
            settings.program("ssh-keygen"),
            "-q",
            "-t",
            kind,
            *KINDS[kind],
            "-f",
            path,
            "-C",
            "devcloud",
        ],
        input=f"{passphrase}\n{passphrase}\n",
        text=True,
        check=True,
        capture_output=True,
        env=os.environ | settings.libraries,
    )


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
    folders=("ssh",),
    prepare=prepare,
)
