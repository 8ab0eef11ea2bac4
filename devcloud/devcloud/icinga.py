"""An Icinga on loopback with its API, under an authority and certificates of its own."""

import grp
import os
from pathlib import Path

from devcloud.part import Part
from devcloud.service import Service, user_name
from devcloud.settings import Settings
from devcloud.work import run_to_end

NODE = "localhost"
"""What the certificate is made out to: Icinga puts no addresses into one, only names."""

CLIENT = "runner"
"""The client certificate that stands for the account of the pack, beside its password."""

FOLDERS = ("cache", "log", "run", "spool", "data/ca", "data/certs", "data/api/packages")


def services(settings: Settings) -> list[Service]:
    """The daemon: its log goes to standard output, its state lies in `var`."""
    command = (*icinga2(settings), "daemon", "-c", f"{settings.etc}/icinga/icinga2.conf")
    return [
        Service(
            "icinga",
            (*command, *_defines(settings)),
            port="icinga",
            after=("icinga files",),
            in_venv=False,
            environ=tuple(_environ(settings).items()),
        )
    ]


def prepare(settings: Settings) -> None:
    """Make the authority, the certificate of the server, and one of a client."""
    folder = certificates(settings)
    if not (settings.var / "icinga/data/ca/ca.key").exists():
        _pki(settings, "new-ca")
    for name in (NODE, CLIENT):
        if not (folder / f"{name}.crt").exists():
            key, request = folder / f"{name}.key", folder / f"{name}.csr"
            _pki(settings, "new-cert", "--cn", name, "--key", key, "--csr", request)
            _pki(settings, "sign-csr", "--csr", request, "--cert", folder / f"{name}.crt")
    authority = settings.var / "icinga/data/ca/ca.crt"
    (folder / "ca.crt").write_bytes(authority.read_bytes())


def certificates(settings: Settings) -> Path:
    """Where the certificates are, `ca.crt` among them."""
    return settings.var / "icinga/data/certs"


def icinga2(settings: Settings) -> tuple[str, ...]:
    """The program itself: what stands in /usr/sbin is a script that looks nowhere but in /usr."""
    beside = Path(settings.program("icinga2")).parent.parent
    found = sorted(beside.glob("lib/*/icinga2/sbin/icinga2"))
    return (str(found[0] if found else beside / "sbin/icinga2"),)


def _pki(settings: Settings, *words: str | Path) -> None:
    command = (*icinga2(settings), "pki", *map(str, words), *_defines(settings))
    run_to_end(command, settings.log / "icinga-pki.log", os.environ | _environ(settings))


def _defines(settings: Settings) -> tuple[str, ...]:
    """Where Icinga finds and puts everything: by itself it would be in /etc and /var."""
    var, programs = settings.var / "icinga", Path(settings.program("icinga2")).parent.parent
    share = programs / "share/icinga2"
    places = {
        "ConfigDir": settings.etc / "icinga",
        "ZonesDir": settings.etc / "icinga/zones.d",
        "DataDir": var / "data",
        "CacheDir": var / "cache",
        "LogDir": var / "log",
        "SpoolDir": var / "spool",
        "InitRunDir": var / "run",
        "PidPath": var / "run/icinga2.pid",
        "PkgDataDir": share,
        "IncludeConfDir": share / "include",
    }
    return tuple(word for name, path in places.items() for word in ("-D", f"{name}={path}"))


def _environ(settings: Settings) -> dict[str, str]:
    """As whom it runs: it would change to a user of its own, which nobody has made here."""
    group = grp.getgrgid(os.getgid()).gr_name
    return {**settings.libraries, "ICINGA2_USER": user_name(), "ICINGA2_GROUP": group}


ICINGA = Part(
    "icinga",
    services,
    programs=(("icinga2", "icinga2-bin"),),
    files=("icinga/icinga2.conf",),
    folders=tuple(f"icinga/{folder}" for folder in FOLDERS),
    prepare=prepare,
    pack="icinga/openstack_ops.yaml",
)
