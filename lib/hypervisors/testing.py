"""One test of a hypervisor: a server's life there from its boot to its end, phase by phase.

What a test makes carries the run and the step as marks. By them it is found and deleted, however
the test ends; a test that was cut off is cleared away and repeated, for what half of it took says
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from accounts.cloud import Cloud, not_there
from common.errors import CutOff
from hypervisors.disabled import admitting, is_admitting, shut_again
from hypervisors.test_objects import MarkedObjects
from migration.following import Follower
from openstack_api import compute as change
from openstack_api import compute_hosts
from openstack_api import volume as change_volume
from query_api.execution.query import query
from query_api.lookups import compute, things
from query_api.lookups.compute_types import Server
from workflow_api import (
    Attempt,
    Begun,
    CloudError,
    StepFailed,
    UnknownOutcome,
    clean,
    listed,
    step,
)

Data = dict[str, Any]
# How a port is bound that is not.
_UNBOUND = frozenset({None, "", "unbound", "binding_failed"})
_GIVEN_UP = "It was given up, and what it had made is deleted."


class TestRequest(msgspec.Struct, frozen=True):
    """What one test is made of, by ids; ``host`` is the compute service's, ``within`` seconds.

    Without a ``network`` the server has no port, without ``volume_gib`` none is attached.
    """

    host: str
    hypervisor: str
    service: str
    zone: str
    flavor: str
    image: str
    project: str
    network: str | None = None
    volume_gib: int | None = None
    volume_type: str | None = None
    live_migrate: bool = False
    target: str | None = None
    within: float = 600.0


def find_test(attempt: Attempt, cloud: Cloud, asked: Data) -> Begun | None:
    """Say whether anything is left of an earlier attempt: then the test is repeated."""
    test = _Test(attempt, cloud, asked)
    if left := test.objects.left():
        names = listed(f"{thing.kind} {thing.id}" for thing in left)
        return Begun(f"it was cut off, and has left {names}", made=[thing.id for thing in left])
    if is_admitting(cloud, test.request.hypervisor, test.request.service):
        return Begun("it was cut off while the disabled hypervisor was open to it", made=[])
    return None


def give_up(attempt: Attempt, cloud: Cloud, asked: Data) -> None:
    """Delete what is left of a test whose run goes no further; raises StepFailed."""
    _Test(attempt, cloud, asked).clear_away()
    raise StepFailed(_GIVEN_UP)


@step(
    "hypervisor.test",
    "test {name} with {flavor}: {phases}",
    key="{hypervisor}:{flavor_id}",
    find=find_test,
    finish=give_up,
)
def try_out(
    attempt: Attempt,
    cloud: Cloud,
    name: str,
    hypervisor: str,
    flavor: str,
    flavor_id: str,
    phases: str,
    asked: Data,
) -> Data:
    """Boot a server on a hypervisor, take it through its phases, and delete it, also if it fails.

    Raises StepFailed that says which phase failed, after how long, and what could not be deleted.
    """
    seconds = _Test(attempt, cloud, asked).done()
    took = ", ".join(f"{phase} {each} s" for phase, each in seconds.items())
    return {"hypervisor": name, "flavor": flavor, "seconds": seconds, "said": took}


class _Test:
    def __init__(self, attempt: Attempt, cloud: Cloud, asked: Data) -> None:
        self.attempt, self.cloud = attempt, cloud
        self.request = msgspec.convert(asked, TestRequest)
        in_own_project = self.request.project == cloud.own_project()
        self.maker = cloud if in_own_project else cloud.in_project(self.request.project)
        kinds = ("server", "volume") if self.request.volume_gib else ("server",)
        self.objects = MarkedObjects(attempt, cloud, self.maker, kinds, self.request.within)
        self.seconds: dict[str, float] = {}
        self._phase = ""

    # -- the story -----------------------------------------------------------------------------

    def done(self) -> dict[str, float]:
        """Take a server through all phases; return how many seconds each took."""
        if self.attempt.again:
            self.clear_away()
        try:
            self._phases()
        except CutOff:
            raise
        except (StepFailed, CloudError) as error:
            raise StepFailed(self._failed(error)) from None
        return self.seconds

    def _phases(self) -> None:
        server = self._booted()
        if self.request.network:
            with self._timed("port"):
                self.objects.until(lambda: self._is_bound(server), "its port is not bound")
        if self.request.volume_gib:
            self._with_volume(server)
        if self.request.live_migrate:
            with self._timed("away"):
                there = self._moved(server, self.request.host, self.request.target)
            with self._timed("back"):
                self._moved(server, there, self.request.host)
        with self._timed("delete"):
            self.clear_away()

    def clear_away(self) -> None:
        """Delete what this step has made, and shut a hypervisor that was left open to it."""
        shut_again(self.cloud, self.request.hypervisor, self.request.service)
        self.objects.clear_away()

    def _failed(self, error: Exception) -> str:
        """Clear away after a failure; return the sentence that tells of both."""
        phase, before = self._phase, ", ".join(f"{p} {s} s" for p, s in self.seconds.items())
        said = f"{phase}: {str(error).rstrip('.')}{f' (before: {before})' if before else ''}."
        if phase == "delete":
            return said
        try:
            self.clear_away()
        except CutOff:
            raise
        except (StepFailed, CloudError) as left:
            return f"{said} {left}"
        return f"{said} What it had made is deleted."

    # -- the phases ----------------------------------------------------------------------------

    def _booted(self) -> str:
        request = self.request
        server = {
            "name": self.objects.name,
            "flavorRef": request.flavor,
            "imageRef": request.image,
            "networks": [{"uuid": request.network}] if request.network else "none",
            "metadata": self.objects.marks,
            # A host that is named so is not judged by the scheduler's filters.
            "availability_zone": f"{request.zone}:{request.host}",
        }
        with ExitStack() as door:
            # Waiting for another test at the door is not a part of the boot.
            door.enter_context(admitting(self.cloud, request.hypervisor, request.service))
            with self._timed("boot"):
                id = change.create_server(self.maker, server, {})
                self.objects.until(lambda: self._is_placed(id), "Nova has found it no place")
                door.close()
                self.objects.until(lambda: self._is_active(id), "it is not ACTIVE")
        host = self._server(id).host
        if host != request.host:
            raise StepFailed(f"Nova put it on {clean(host or 'no host')}")
        return id

    def _is_placed(self, id: str) -> bool:
        now = self._server(id)
        return bool(now.host) or now.status != "BUILD"

    def _is_active(self, id: str) -> bool:
        now = self._server(id)
        if now.status == "ERROR":
            raise StepFailed(f"it is in ERROR: {_fault(now)}")
        return now.status == "ACTIVE" and not now.task_state

    def _is_bound(self, server: str) -> bool:
        ports = things.of_query(self.cloud, query("port").where("device_id", "equal_to", server))
        failed = [port.id for port in ports if port.vif_type == "binding_failed"]
        if failed:
            raise StepFailed(f"the binding of port {listed(failed)} failed")
        return bool(ports) and all(
            port.vif_type not in _UNBOUND and port.host == self.request.host for port in ports
        )

    def _with_volume(self, server: str) -> None:
        with self._timed("volume"):
            volume = change_volume.create_volume(
                self.maker,
                name=self.objects.name,
                size=self.request.volume_gib,
                volume_type=self.request.volume_type,
                metadata=self.objects.marks,
            )
            self._reaches(volume, "available")
        with self._timed("attach"):
            change.attach_volume(self.maker, server, volume)
            self._reaches(volume, "in-use")
        with self._timed("detach"):
            change.detach_volume(self.maker, server, volume)
            self._reaches(volume, "available")

    def _reaches(self, volume: str, status: str) -> None:
        def is_there() -> bool:
            found = things.look(self.cloud, "volume", volume)
            if found is None or str(found.status).startswith("error"):
                raise StepFailed(f"volume {volume} is {found.status if found else 'gone'}")
            return bool(found.status == status)

        self.objects.until(is_there, f"volume {volume} is not {status}")

    def _moved(self, server: str, source: str, target: str | None) -> str:
        """Live-migrate the server; return the host that it is on then."""
        follow = Follower(self.attempt, self.cloud, server, self.objects.name, source, "live")
        home = target == self.request.host
        if home and self._is_disabled():
            compute_hosts.live_migrate_onto(self.cloud, server, self.request.host)
        else:
            change.live_migrate(self.cloud, server, target)
        try:
            moved = follow.to_the_end(confirms=True)
        except UnknownOutcome as error:
            raise StepFailed(str(error)) from None
        there = str((moved or {}).get("to"))
        if target not in (None, there):
            raise StepFailed(f"it is on {clean(there)}, and was sent to {clean(target)}")
        return there

    def _is_disabled(self) -> bool:
        now = compute.hypervisor_behind(self.cloud, self.request.service)
        return now is not None and now.status == "disabled"

    # -- what all of it goes by ----------------------------------------------------------------

    def _server(self, id: str) -> Server:
        try:
            return compute.server(self.cloud, id)
        except CloudError as error:
            if not_there(error):
                raise StepFailed("somebody has deleted it") from None
            raise

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        self._phase, begun = phase, time.monotonic()
        yield
        self.seconds[phase] = round(time.monotonic() - begun, 1)


def _fault(now: Server) -> str:
    return clean(now.fault.message).rstrip(".") if now.fault else "Nova does not say why"
