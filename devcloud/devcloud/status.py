"""What runs, on which port, with how much memory; and what nova says of its hosts."""

import argparse

from devcloud.errors import DevcloudError
from devcloud.faults import compute_states
from devcloud.rest import Admin
from devcloud.services import Service, all_services
from devcloud.settings import Settings, existing
from devcloud.told import told

ROW = "{:<22} {:<8} {:>8} {:>12} {:>10}"


@told
def status() -> int:
    """Print the tables; 0 if everything is up, 1 if not."""
    argparse.ArgumentParser(
        "devcloud/status",
        description="Show the services and hosts of a devcloud. Exit code 0 if all are up, else 1.",
    ).parse_args()
    settings = existing()
    services_up = _show_services(settings)
    hosts_up = _show_hosts(settings)
    return 0 if services_up and hosts_up else 1


def _show_services(settings: Settings) -> bool:
    print(ROW.format("service", "state", "pid", "port", "memory"))
    total, all_run = 0, True
    for service in all_services(settings):
        process = service.process(settings)
        pid, memory = process.pid(), process.memory()
        total, all_run = total + memory, all_run and pid is not None
        state = "running" if pid else "off" if service.is_off() else "dead"
        print(ROW.format(service.name, state, pid or "", _ports(settings, service), _mib(memory)))
    print(ROW.format("all", "", "", "", _mib(total)))
    return all_run


def _show_hosts(settings: Settings) -> bool:
    print()
    try:
        states = compute_states(Admin(settings))
    except DevcloudError as error:
        print(f"hosts: unknown, {error}")
        return False
    for host in settings.compute_hosts:
        state = states.get(host, {"state": "unknown", "status": "", "disabled_reason": None})
        reason = f" ({state['disabled_reason']})" if state["disabled_reason"] else ""
        print(f"{host}: {state['state']}, {state['status']}{reason}")
    return all(states.get(host, {}).get("state") == "up" for host in settings.compute_hosts)


def _ports(settings: Settings, service: Service) -> str:
    return " ".join(str(settings.ports[name]) for name in service.ports)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB" if size else ""
