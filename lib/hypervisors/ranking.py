"""What stands against reinstalling a hypervisor, and how much it would disrupt."""

from __future__ import annotations

import msgspec

from hypervisors.hosts import Host, because
from migration.policy import MigrationChoice
from workflow_api import clean, count, listed

# So many servers that stay are named in the reasons; all of them are in JSON and CSV.
_NAMED = 5


class Candidate(msgspec.Struct):
    """A hypervisor that might be reinstalled, and what stands against it.

    ``stay`` are servers that cannot leave it, and why; ``refusals`` says why not all fit elsewhere.
    ``last_of`` are aggregates and zones that would have no usable host without it, ``services``
    the names of servers on it that are the cloud's own. ``unknown`` is what could not be read of
    it, in words.
    """

    host: Host
    last_of: list[str]
    moves: list[MigrationChoice] = []
    stay: list[dict[str, str]] = []
    refusals: list[str] = []
    services: list[str] = []
    unknown: str = ""

    @property
    def memory(self) -> int:
        """The memory of the servers that would be moved live, in MiB."""
        return sum(move.server.flavor.ram for move in self.moves if move.how == "live")

    @property
    def cost(self) -> tuple[object, ...]:
        """What it would disrupt, the worst first: candidates are ranked by it."""
        host = self.host
        return (
            host.servers is None or (host.servers > 0 and not self.can_be_drained),
            bool(self.unknown),
            bool(self.last_of),
            bool(self.services),
            bool(self.refusals),
            len(self.stay),
            host.servers or 0,
            self.memory,
            host.status == "enabled",
            host.name,
        )

    @property
    def can_be_drained(self) -> bool:
        """Whether hypervisor.drain would take it at all."""
        return self.host.state == "up" and not self.host.others

    @property
    def why(self) -> list[str]:
        """The reasons for its rank, in words."""
        host, said = self.host, []
        if host.servers is None:
            said.append("Nova does not say how many servers are on it")
        elif self.unknown:
            said.append(self.unknown)
        elif not host.servers and not self.stay:
            said.append("no servers are on it")
        elif host.servers and host.others:
            said.append(
                f"its compute service {clean(host.service_host)} has other hypervisors too, so it "
                f"cannot be drained of its {count(host.servers, 'server')}"
            )
        elif host.servers and host.state != "up":
            said.append(
                f"it is {host.state}, so its {count(host.servers, 'server')} cannot be migrated"
            )
        else:
            said += self._of_servers()
        if self.services:
            said.append(
                f"the cloud's own services have {listed(self.services, _NAMED)} there: ask whoever "
                "runs the cloud first"
            )
        if host.status != "enabled":
            said.append(f"it is disabled already{because(host.reason)}")
        said += [f"it is the last usable host of {clean(one)}" for one in self.last_of]
        return said

    def _of_servers(self) -> list[str]:
        live = sum(move.how == "live" for move in self.moves)
        cold = len(self.moves) - live
        ways = [f"{live} moved live"] if live else []
        ways += [f"{cold} stopped and moved cold"] if cold else []
        ways += [f"{len(self.stay)} cannot be moved"] if self.stay else []
        on_it = count(self.host.servers, "server") if self.host.servers else "no server runs there"
        said = [f"{on_it}: {', '.join(ways)}"]
        said += [f"{one['name']} stays: {one['why']}" for one in self.stay[:_NAMED]]
        if len(self.stay) > _NAMED:
            said.append(f"{len(self.stay) - _NAMED} more stay")
        if self.refusals:
            said.append(f"not everything fits elsewhere: {listed(self.refusals, 3)}")
        elif self.moves:
            said.append("what can be moved fits elsewhere")
        return said
