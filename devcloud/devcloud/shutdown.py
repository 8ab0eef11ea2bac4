"""Taking a devcloud down: the services first, then what they stand on."""

import shutil
from concurrent.futures import ThreadPoolExecutor

from devcloud.processes import Process
from devcloud.services import all_services
from devcloud.settings import Settings

KEPT_BY_WIPE = {"venv", "unpacked", "command.lock"}
STOPS_LATE = {"mariadb": 1, "memcached": 1, "rabbitmq": 1, "epmd": 2}


def take_down(settings: Settings) -> int:
    """Stop all that was recorded; answers how many services that were."""
    grace = {service.name: service.grace for service in all_services(settings)}
    running = [
        process
        for path in settings.run.glob("*.json")
        if (process := Process(path.stem, settings.run, settings.log)).members()
    ]

    def stop(process: Process) -> None:
        process.stop(grace.get(process.name, 0))

    for level in sorted({_level(process) for process in running}):
        with ThreadPoolExecutor(len(running)) as pool:
            list(pool.map(stop, [process for process in running if _level(process) == level]))
    return len(running)


def _level(process: Process) -> int:
    """What others stand on stops after them."""
    return STOPS_LATE.get(process.name, 0)


def wipe(settings: Settings) -> None:
    """Delete all state but the virtualenv."""
    if settings.sockets != settings.run:
        shutil.rmtree(settings.sockets, ignore_errors=True)
    for entry in settings.state.iterdir():
        if entry.name in KEPT_BY_WIPE:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
