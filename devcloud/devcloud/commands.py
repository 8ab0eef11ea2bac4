"""What `devcloud/up`, `devcloud/down` and `devcloud/seed` do with their command lines."""

import argparse
import os
import sys

from devcloud.bringup import bring_up
from devcloud.errors import DevcloudError
from devcloud.groups import GROUPS
from devcloud.lock import exclusive
from devcloud.progress import clock
from devcloud.settings import HERE, chosen, existing, remembered, state_folder
from devcloud.shutdown import take_down, wipe
from devcloud.told import told

STATE_HELP = "The state folder is $DEVCLOUD_STATE, or .devcloud in the repository."


@told
def up() -> int:
    """Start whatever does not run."""
    parser = _parser(
        "devcloud/up",
        "Bring up a whole OpenStack on 127.0.0.1, installing what is missing. "
        "What already runs is left alone.",
    )
    parser.add_argument(
        "--with",
        dest="groups",
        metavar="GROUPS",
        type=_groups,
        default=(),
        help="also bring up these services beside the cloud, from now on with every up: "
        f"{', '.join(GROUPS)} (several with commas)",
    )
    groups = parser.parse_args().groups
    say = clock()
    with exclusive(state_folder(), "command", "devcloud/up"):
        settings = chosen(groups=groups)
        started = bring_up(settings, say)
        say(f"{started} services started" if started else "all services run already")
    print(f"export OS_CLIENT_CONFIG_FILE={settings.clouds_yaml} OS_CLOUD=devcloud")
    return 0


@told
def down() -> int:
    """Stop whatever runs."""
    parser = _parser("devcloud/down", "Stop a devcloud, by the pids it has recorded.")
    parser.add_argument(
        "--wipe", action="store_true", help="also delete all its state, but not the virtualenv"
    )
    arguments = parser.parse_args()
    say = clock()
    settings = remembered()
    if settings is None:
        print(f"no devcloud in {state_folder()}")
        return 0
    with exclusive(settings.state, "command", "devcloud/down"):
        say(f"{take_down(settings)} services stopped")
        if arguments.wipe:
            wipe(settings)
            say(f"state deleted, {settings.venv} kept")
    return 0


@told
def seed() -> int:
    """Go on as the seed itself, with the Python that has openstacksdk."""
    settings = existing()
    if not settings.python.exists():
        raise DevcloudError(f"no virtualenv in {settings.venv}: run devcloud/up first")
    command = [str(settings.python), "-m", "devcloud.seeding", *sys.argv[1:]]
    os.execve(command[0], command, os.environ | {"PYTHONPATH": str(HERE)})


def _groups(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    for name in names:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(f"no group {name}: there are {', '.join(GROUPS)}")
    return names


def _parser(name: str, description: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(name, description=description, epilog=STATE_HELP)
