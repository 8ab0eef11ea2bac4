"""Pretended hosts behind SSH, one for each hypervisor: where they are, and what they run.

A host has an address of its own (127.0.2.1, 127.0.2.2, ...), an SSH server, a boot id and a kernel.
Its process, `devcloud/machine`, is its power supply: it cuts the sessions of a host that reboots,
ends nova-compute with it, and brings both back.
"""

import json
from pathlib import Path
from string import Template

from devcloud.keys import make_key
from devcloud.processes import Process
from devcloud.service import Service, user_name
from devcloud.settings import HERE, Settings, private_file
from devcloud.waiting import accepts

KINDS = ("ed25519", "ecdsa")
PROGRAMS = HERE / "etc" / "machine" / "bin"
FIRST_KERNEL = "6.1.0-devcloud.1"


def machine_service(host: str) -> str:
    """The name of the service that is a pretended host."""
    return f"machine-{host}"


def address(settings: Settings, host: str) -> str:
    """The address of a host, of which 127.0.0.0/8 has enough."""
    return f"127.0.2.{settings.compute_hosts.index(host) + 1}"


def folder(settings: Settings, host: str) -> Path:
    """Where a host keeps its keys, and what it is told to do."""
    return settings.var / "machines" / host


def is_off(settings: Settings, host: str) -> bool:
    """Whether a host was switched off."""
    return (folder(settings, host) / "off").exists()


def is_kept_off(settings: Settings, host: str) -> bool:
    """Whether a host was switched off, and its power supply runs, which alone switches it on."""
    supply = Process(machine_service(host), settings.run, settings.log)
    return is_off(settings, host) and supply.pid() is not None


def services(settings: Settings) -> list[Service]:
    """One process a host."""
    return [
        Service(
            machine_service(host),
            (str(HERE / "machine"), host),
            port="ssh",
            address=address(settings, host),
            after=("ssh files",),
            in_venv=False,
            may_be_silent=lambda host=host: is_off(settings, host),
        )
        for host in settings.compute_hosts
    ]


def make_keys(settings: Settings) -> list[tuple[str, Path]]:
    """Make what a host has from the beginning; answers its address with each public key."""
    found = []
    for host in settings.compute_hosts:
        place = folder(settings, host)
        place.mkdir(mode=0o700, exist_ok=True)
        for kind in KINDS:
            make_key(settings, place / f"host_{kind}", kind)
            found.append((address(settings, host), place / f"host_{kind}.pub"))
        if not (place / "kernel").exists():
            private_file(place / "kernel", FIRST_KERNEL + "\n")
    return found


def pam(shadow: Path = Path("/etc/shadow"), rules: Path = Path("/etc/pam.d/sshd")) -> str:
    """Whether sshd has to ask PAM: by itself it lets nobody in whose password is locked."""
    try:
        lines = shadow.read_text().splitlines()
    except OSError:
        return "no"
    is_locked = any(line.startswith(f"{user_name()}:!") for line in lines)
    return "yes" if is_locked and rules.exists() else "no"


def values(settings: Settings) -> dict[str, object]:
    """What templates need to know: the addresses, as YAML takes them, and whether there is PAM."""
    return {
        "sshd_pam": pam(),
        "machine_addresses": json.dumps(
            {host: address(settings, host) for host in settings.compute_hosts}
        ),
    }


def server_configuration(settings: Settings, host: str) -> Path:
    """Write the configuration of a host's SSH server, and answer where it is."""
    place = folder(settings, host)
    template = Template((HERE / "etc" / "machine" / "sshd_config").read_text())
    private_file(
        place / "sshd_config",
        template.substitute(
            machine_address=address(settings, host),
            machine_folder=place,
            machine_programs=PROGRAMS,
            ssh_port=settings.ports["ssh"],
            var=settings.var,
            user=user_name(),
            sshd_pam=pam(),
        ),
    )
    return place / "sshd_config"


def answers(settings: Settings, host: str) -> bool:
    """Whether a host takes connections."""
    return accepts(settings.ports["ssh"], address(settings, host))
