"""Faults on demand: slow and failing operations, stopped computes, dead agents.

For tests::

    from devcloud import faults

    faults.set_knobs("cmp-2", live_migration_fail=True, live_migration_seconds=2)
    faults.clear()

Every function means the devcloud of $DEVCLOUD_STATE (or `.devcloud` in the repository).
"""

import json
import math
from pathlib import Path

from devcloud import power, waiting
from devcloud.errors import DevcloudError
from devcloud.lock import exclusive
from devcloud.processes import Process
from devcloud.reports import last_reports
from devcloud.rest import Admin
from devcloud.services import Service, compute_service, compute_services
from devcloud.settings import Settings, existing, private_file

OPERATIONS = ("spawn", "live_migration", "migrate", "power", "snapshot", "destroy")
UP_LIMIT = 60

Knob = bool | float | list[str]


def set_knobs(host: str, **knobs: Knob) -> dict[str, Knob]:
    """Turn knobs of one compute host, from the next operation on; answers all that are set.

    `<operation>_seconds` makes it slow, `<operation>_fail` makes it fail, `<operation>_fail_for`
    makes it fail for these server ids only. None, False or 0 takes a knob away.
    """
    path = _knobs_file(existing(), host)
    checked = {name: _checked(name, value) for name, value in knobs.items()}
    now = {name: value for name, value in (_read(path) | checked).items() if value}
    private_file(path, json.dumps(now) + "\n")
    return now


def knobs(host: str) -> dict[str, Knob]:
    """The knobs that are set on one compute host."""
    return _read(_knobs_file(existing(), host))


def clear(host: str | None = None) -> None:
    """Take all knobs away, of one host or of all; then also revive agents and switch hosts on."""
    settings = existing()
    for name in [host] if host else settings.compute_hosts:
        _knobs_file(settings, name).unlink(missing_ok=True)
    if host is None:
        _dead_file(settings).unlink(missing_ok=True)
        power.clear()


def stop_compute(host: str) -> None:
    """End nova-compute on a host in order. Nova calls it down some 30 s later."""
    _, service, process = _compute(host)
    process.stop(service.grace)


def kill_compute(host: str) -> None:
    """End nova-compute on a host as a power cut would."""
    _, _, process = _compute(host)
    process.kill()


def begin_compute(host: str) -> None:
    """Start nova-compute on a host, unless it runs."""
    settings, service, process = _compute(host)
    if not process.pid():
        service.start(settings)


def start_compute(host: str) -> None:
    """Start nova-compute on a host, and return when nova reports it up."""
    settings, service, process = _compute(host)
    before = last_reports(settings).get(service.name)
    if process.pid():
        return
    service.start(settings)
    admin = Admin(settings)

    def is_up() -> bool:
        if not process.pid():
            raise DevcloudError(f"{service.name} has ended:\n{process.last_words()}")
        if last_reports(settings).get(service.name) in (None, before):
            return False
        state = compute_states(admin)[host]
        return state["state"] == "up" or state["forced_down"]

    try:
        waiting.until(is_up, UP_LIMIT, pause=0.3)
    except waiting.TimedOut as error:
        raise DevcloudError(
            f"{service.name} did not report ({error}):\n{process.last_words()}"
        ) from error


def kill_agents(host: str) -> None:
    """Stop the heartbeats of all Neutron agents of a host. Neutron calls them dead 30 s later."""
    settings = existing()
    with exclusive(settings.var, "agents-dead", "devcloud/fault"):
        _write_dead(settings, dead_agents() | {_known_host(settings, host)})


def revive_agents(host: str) -> None:
    """Let the Neutron agents of a host live again: within some 10 s."""
    settings = existing()
    with exclusive(settings.var, "agents-dead", "devcloud/fault"):
        _write_dead(settings, dead_agents() - {_known_host(settings, host)})


def dead_agents() -> set[str]:
    """The hosts whose Neutron agents send no heartbeat."""
    try:
        return set(_dead_file(existing()).read_text().split())
    except FileNotFoundError:
        return set()


def restore_hosts() -> list[str]:
    """Start computes that do not run, and enable the disabled; answers what was done."""
    settings = existing()
    admin, done = Admin(settings), []
    for host in settings.compute_hosts:
        if not _compute(host)[2].pid():
            start_compute(host)
            done.append(f"nova-compute started on {host}")
    for host, state in compute_states(admin).items():
        wrong = {"forced_down": False} if state["forced_down"] else {}
        if state["status"] != "enabled":
            wrong["status"] = "enabled"
        if wrong:
            admin.request("PUT", "nova", f"/v2.1/os-services/{state['id']}", wrong)
            done.append(f"host {host} enabled")
    return done


def compute_states(admin: Admin) -> dict[str, dict]:
    """What nova says of nova-compute on every host."""
    listing = admin.get("nova", "/v2.1/os-services?binary=nova-compute")
    return {row["host"]: row for row in listing["services"]}


def _compute(host: str) -> tuple[Settings, Service, Process]:
    settings = existing()
    for service in compute_services(settings):
        if service.name == compute_service(host):
            return settings, service, service.process(settings)
    raise DevcloudError(f"no compute host {host}: there are {', '.join(settings.compute_hosts)}")


def _knobs_file(settings: Settings, host: str) -> Path:
    if host not in settings.compute_hosts:
        hosts = ", ".join(settings.compute_hosts)
        raise DevcloudError(f"no compute host {host}: there are {hosts}")
    return settings.var / "nova" / host / "knobs.json"


def _read(path: Path) -> dict[str, Knob]:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}


def _checked(name: str, value: object) -> object:
    operation, _, kind = name.replace("_fail_for", "_failfor").rpartition("_")
    kinds = {"seconds": _is_seconds, "fail": _is_flag, "failfor": _is_list}
    if operation not in OPERATIONS or kind not in kinds:
        raise DevcloudError(
            f"no knob {name}: a knob is one of {', '.join(OPERATIONS)} "
            "with _seconds, _fail or _fail_for behind it"
        )
    if value is not None and not kinds[kind](value):
        raise DevcloudError(f"{name} cannot be {value!r}")
    return value


def _is_seconds(value: object) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _known_host(settings: Settings, host: str) -> str:
    hosts = [*settings.compute_hosts, *settings.network_hosts]
    if host not in hosts:
        raise DevcloudError(f"no agents on {host}: there are {', '.join(hosts)}")
    return host


def _dead_file(settings: Settings) -> Path:
    return settings.var / "agents-dead"


def _write_dead(settings: Settings, hosts: set[str]) -> None:
    private_file(_dead_file(settings), "".join(f"{host}\n" for host in sorted(hosts)))
