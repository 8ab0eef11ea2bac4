"""What `devcloud/fault` does with its command line."""

import argparse
from collections.abc import Callable

from devcloud import faults, power
from devcloud.errors import DevcloudError
from devcloud.settings import existing
from devcloud.told import told

BY_HOST: dict[str, tuple[Callable[[str], None], str]] = {
    "stop": (faults.stop_compute, "end nova-compute on a host in order"),
    "kill": (faults.kill_compute, "end nova-compute on a host as a power cut would"),
    "start": (faults.start_compute, "start nova-compute on a host and wait until nova sees it"),
    "agent-dead": (faults.kill_agents, "stop the heartbeats of a host's Neutron agents"),
    "agent-alive": (faults.revive_agents, "let a host's Neutron agents live again"),
}
POWER = {
    "reboot": "reboot a pretended host, with its nova-compute",
    "power-off": "switch a pretended host off, with its nova-compute",
    "power-on": "switch it on again",
}
WORDS = {"true": True, "false": False}


@told
def fault() -> int:
    """Make something go wrong, or right again."""
    arguments = _parser().parse_args()
    command = arguments.command
    if command == "set":
        faults.set_knobs(arguments.host, **dict(map(_knob, arguments.knobs)))
        _show()
    elif command == "clear":
        faults.clear(arguments.host)
        _show()
    elif command == "show":
        _show()
    elif command in POWER:
        power.switch(arguments.host, command.removeprefix("power-"))
        print(f"{command} {arguments.host}: done")
    else:
        BY_HOST[command][0](arguments.host)
        print(f"{command} {arguments.host}: done")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "devcloud/fault",
        description="Faults on demand in a running devcloud. Knobs are "
        f"{', '.join(faults.OPERATIONS)}, each with _seconds=NUMBER, _fail=true or "
        "_fail_for=SERVER_ID[,SERVER_ID]. They take effect at the next operation.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    turn = commands.add_parser("set", help="turn knobs of a compute host")
    turn.add_argument("host")
    turn.add_argument("knobs", nargs="+", metavar="knob=value")
    clear = commands.add_parser("clear", help="take away all knobs, of one host or of all")
    clear.add_argument("host", nargs="?")
    commands.add_parser("show", help="show what is set")
    described = {name: description for name, (_, description) in BY_HOST.items()}
    for name, description in (described | POWER).items():
        commands.add_parser(name, help=description).add_argument("host")
    return parser


def _knob(text: str) -> tuple[str, faults.Knob]:
    name, equals, value = text.partition("=")
    if not equals:
        raise DevcloudError(f"a knob is set as name=value, not {text!r}")
    if name.endswith("_fail_for"):
        return name, [part for part in value.split(",") if part]
    if value in WORDS:
        return name, WORDS[value]
    try:
        return name, float(value)
    except ValueError:
        raise DevcloudError(f"{name} cannot be {value!r}") from None


def _show() -> None:
    for host in existing().compute_hosts:
        knobs = faults.knobs(host)
        print(f"{host}: {', '.join(f'{name}={knobs[name]}' for name in knobs) or 'no faults'}")
    if dead := faults.dead_agents():
        print(f"agents without a heartbeat: {', '.join(sorted(dead))}")
