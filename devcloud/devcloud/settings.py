"""Where this devcloud lives, which ports it has, and how big its hosts pretend to be.

The environment chooses when a devcloud is first started; what was chosen is remembered in
``<state>/settings.json``, so that every later command, from any shell, means the same devcloud.
"""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devcloud.errors import DevcloudError
from devcloud.ports import chosen_ports

HERE = Path(__file__).resolve().parent.parent
"""The repository's ``devcloud`` folder: templates, data files and the inner package."""

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
UNPACKED_FOLDERS = ("usr/sbin", "usr/bin")

SECRETS = ("admin", "service", "database", "rabbitmq", "users")
SOCKET_PATH_LIMIT = 100
"""The kernel takes 107 bytes; the rest is for the longest socket name."""

SIZES = {
    "computes": ("DEVCLOUD_COMPUTES", 3),
    "host_vcpus": ("DEVCLOUD_HOST_VCPUS", 128),
    "host_memory_gib": ("DEVCLOUD_HOST_MEMORY_GIB", 256),
    "host_disk_gib": ("DEVCLOUD_HOST_DISK_GIB", 20 * 1024),
}


@dataclass(frozen=True)
class Settings:
    """One devcloud: its folder, ports, sizes, throwaway passwords, and what stands beside it."""

    state: Path
    ports: dict[str, int]
    computes: int
    host_vcpus: int
    host_memory_gib: int
    host_disk_gib: int
    passwords: dict[str, str] = field(repr=False)
    groups: tuple[str, ...] = ()

    @property
    def venv(self) -> Path:
        return self.state / "venv"

    @property
    def etc(self) -> Path:
        return self.state / "etc"

    @property
    def run(self) -> Path:
        return self.state / "run"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def var(self) -> Path:
        return self.state / "var"

    @property
    def unpacked(self) -> Path:
        """Debian's packages that are not installed, as if this folder were the root."""
        return self.state / "unpacked"

    @property
    def program_folders(self) -> tuple[str, ...]:
        return (*SYSTEM_FOLDERS, *(str(self.unpacked / folder) for folder in UNPACKED_FOLDERS))

    def program(self, name: str) -> str:
        """The absolute path of a program; where it will be unpacked if there is none yet."""
        found = shutil.which(name, path=os.pathsep.join(self.program_folders))
        return found or str(self.unpacked / UNPACKED_FOLDERS[0] / name)

    @property
    def libraries(self) -> dict[str, str]:
        """What the environment of an unpacked program has to say of its libraries."""
        patterns = ("usr/lib/*-linux-*", "lib/*-linux-*")
        folders = [str(path) for pattern in patterns for path in self.unpacked.glob(pattern)]
        return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {}

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def clouds_yaml(self) -> Path:
        return self.state / "clouds.yaml"

    @property
    def compute_hosts(self) -> list[str]:
        return [f"cmp-{number + 1}" for number in range(self.computes)]

    @property
    def network_hosts(self) -> list[str]:
        return ["net-1", "net-2"]

    @property
    def sockets(self) -> Path:
        """A folder whose paths are short enough for a unix socket, private to this user."""
        if len(os.fsencode(self.run)) < SOCKET_PATH_LIMIT - len("/mysql.sock"):
            return self.run
        name = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"devcloud-{os.getuid()}-{name}"

    def url(self, port_name: str, path: str = "") -> str:
        return f"http://127.0.0.1:{self.ports[port_name]}{path}"


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds everything of one devcloud."""
    return Path(environ.get("DEVCLOUD_STATE") or HERE.parent / ".devcloud").absolute()


def remembered(environ: Mapping[str, str] = os.environ) -> Settings | None:
    """The devcloud that was started in the state folder, or None."""
    state = state_folder(environ)
    try:
        stored = json.loads((state / "settings.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise DevcloudError(
            f"{state}/settings.json is not readable ({error}): delete the folder, then devcloud/up"
        ) from error
    groups = tuple(stored.pop("groups", ()))
    return Settings(state=state, groups=groups, **stored)


def existing(environ: Mapping[str, str] = os.environ) -> Settings:
    """The devcloud in the state folder; an error that says how to make one if there is none."""
    settings = remembered(environ)
    if settings is None:
        raise DevcloudError(f"no devcloud in {state_folder(environ)}: start one with devcloud/up")
    return settings


def chosen(environ: Mapping[str, str] = os.environ, groups: Sequence[str] = ()) -> Settings:
    """What ``up`` shall start: the remembered devcloud, or a new one as the environment says.

    The groups of services are added to the remembered ones.
    """
    before = remembered(environ)
    ports = chosen_ports(environ, before.ports if before else None)
    if before and any(port != ports[name] for name, port in before.ports.items()):
        moved = ", ".join(
            f"{name} {before.ports[name]} -> {port}"
            for name, port in ports.items()
            if before.ports.get(name, port) != port
        )
        raise DevcloudError(
            f"the devcloud in {before.state} was made with other ports ({moved}), and its "
            "catalogue holds them: unset DEVCLOUD_PORT_*, or devcloud/down --wipe first"
        )
    sizes = {
        name: _number(environ, variable, getattr(before, name, default))
        for name, (variable, default) in SIZES.items()
    }
    passwords = before.passwords if before else {name: secrets.token_hex(12) for name in SECRETS}
    together = tuple(dict.fromkeys((*(before.groups if before else ()), *groups)))
    return Settings(
        state=state_folder(environ), ports=ports, passwords=passwords, groups=together, **sizes
    )


def remember(settings: Settings) -> None:
    """Write the settings down, readable by their owner only."""
    stored = asdict(settings)
    del stored["state"]
    private_file(settings.state / "settings.json", json.dumps(stored, indent=1) + "\n")


def private_file(path: Path, text: str) -> None:
    """Replace a file at one stroke, mode 0600; left alone if it already reads so."""
    if path.exists() and path.read_text() == text:
        return
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def _number(environ: Mapping[str, str], variable: str, default: int) -> int:
    text = environ.get(variable) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise DevcloudError(f"{variable} must be a whole number above 0, not {text!r}")
    return int(text)
