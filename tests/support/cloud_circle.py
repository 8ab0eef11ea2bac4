"""What maintenance has done to a host, counted where it was done: in Nova, Icinga, the host."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from devcloud import power
from devcloud.alerting import WATCHDOG, Alerting
from devcloud.monitored import Monitor
from devcloud.services import all_services
from devcloud.settings import existing
from monitoring import marks
from support.cloud_site import Guest, Site, until

_ENDED = "expired"


@dataclass(frozen=True)
class Books:
    """How things stood when the books were opened, to be compared with how they stand now."""

    site: Site
    host: str
    began: float
    kernel: int
    reboots: int
    newest: int

    @classmethod
    def opened(cls, site: Site, host: str) -> Books:
        """Open the books of a host."""
        newest = site.newest_migration()
        return cls(site, host, time.time(), kernel_number(host), reboots(host), newest)

    # -- what was done -------------------------------------------------------------------------

    def patched(self) -> int:
        """Return how many kernels further the host is."""
        return kernel_number(self.host) - self.kernel

    def rebooted(self) -> int:
        """Return how often the host has rebooted."""
        return reboots(self.host) - self.reboots

    def moved(self, guest: Guest) -> int:
        """Return how many migrations of a server were completed."""
        records = self.site.migrations(self.newest, guest)
        return sum(record["status"] == "completed" for record in records)

    def silences(self) -> list[dict[str, Any]]:
        """Return the silences of this host that runs have made, those that have ended too."""
        quoted = f"{self.host.replace('-', chr(92) + '-')}("
        return [
            one
            for one in Alerting().silences()
            if marks.run_of(one["createdBy"], one["comment"])
            and any(quoted in matcher["value"] for matcher in one["matchers"])
            and _seconds(one["startsAt"]) > self.began - 1
        ]

    def quiet_until(self) -> list[float]:
        """Return the ends of the silences and downtimes that keep the host quiet now."""
        standing = [one for one in self.silences() if one["status"]["state"] != _ENDED]
        theirs = [one for one in Monitor().objects("downtimes") if one["host_name"] == self.host]
        return [_seconds(one["endsAt"]) for one in standing] + [one["end_time"] for one in theirs]

    # -- what has to be so ---------------------------------------------------------------------

    def is_safe(self, silent_for: float) -> None:
        """See that the host is out of scheduling, and that whatever is silenced has its end."""
        service = self.site.service(self.host)
        assert service["status"] == "disabled", service
        assert service["disabled_reason"].startswith("parked by run "), service
        self.ends_by_itself(silent_for)

    def ends_by_itself(self, silent_for: float) -> None:
        """See that whatever is silenced ends no later than so many seconds after the books."""
        late = [end for end in self.quiet_until() if end > time.time() + silent_for + 1]
        assert not late, late

    def is_back(self, *guests: Guest) -> None:
        """See that the host was given back, loud, and that nothing was done to it twice."""
        service = self.site.service(self.host)
        assert (service["status"], service["disabled_reason"] or "") == ("enabled", "")
        assert self.quiet_until() == []
        assert (self.patched(), self.rebooted()) == (1, 1)
        assert len(self.silences()) == 1, self.silences()
        assert self.site.names_on(self.host) == set()
        for guest in guests:
            assert self.site.status_of(guest) == "ACTIVE"
            assert self.site.host_of(guest) != self.host
            assert self.moved(guest) == 1


def kernel_number(host: str) -> int:
    """Return the last number of a host's kernel, which each patch adds one to."""
    return int(power.kernel(host).rpartition(".")[2])


def reboots(host: str) -> int:
    """Return how often a host has rebooted, by what its power supply has logged."""
    log: Path = existing().log / f"machine-{host}.log"
    return log.read_text(errors="replace").splitlines().count(f"{host}: reboot")


def stop_alertmanager() -> None:
    """End the Alertmanager in order: it keeps its silences on its disk."""
    service = _alertmanager()
    service.process(existing()).stop(service.grace)


def start_alertmanager() -> None:
    """Start the Alertmanager unless it runs, and have the alert fire that always does."""
    service, settings = _alertmanager(), existing()
    if service.process(settings).pid():
        return
    service.start(settings)
    until(_answers, "Alertmanager answers")
    Alerting().fire(**WATCHDOG)


@contextmanager
def icinga_account(name: str) -> Iterator[dict[str, str]]:
    """An account of Icinga that may look at everything and change nothing; yield its login."""
    login = {"user": name, "password": "long enough"}
    rights = {"permissions": ["objects/query/*", "status/query"], "password": login["password"]}
    monitor = Monitor()
    monitor.request("PUT", f"/objects/apiusers/{name}", {"attrs": rights})
    try:
        yield login
    finally:
        monitor.request("DELETE", f"/objects/apiusers/{name}")


def _alertmanager() -> Any:
    (found,) = (one for one in all_services(existing()) if one.name == "alertmanager")
    return found


def _answers() -> bool:
    try:
        Alerting().request("GET", "/status")
    except Exception:
        return False
    return True


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment.replace("Z", "+00:00")[:19] + "+00:00").timestamp()
