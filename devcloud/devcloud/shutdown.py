"""Taking a devcloud down: the services first, then what they stand on."""

import shutil
from concurrent.futures import ThreadPoolExecutor

from devcloud.services import Service, all_services
from devcloud.settings import Settings

KEPT_BY_WIPE = {"venv", "command.lock"}


def take_down(settings: Settings) -> int:
    """Stop all that runs, by recorded pid only; answers how many services that were."""
    services = all_services(settings)
    running = [service for service in services if service.process(settings).members()]
    for level in (
        [service for service in running if not service.is_base],
        [service for service in running if service.is_base and service.name != "epmd"],
        [service for service in running if service.name == "epmd"],
    ):
        _stop_all(settings, level)
    return len(running)


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


def _stop_all(settings: Settings, services: list[Service]) -> None:
    with ThreadPoolExecutor(max_workers=max(1, len(services))) as pool:
        list(pool.map(lambda service: service.process(settings).stop(service.grace), services))
