"""Letting one server onto a hypervisor that is disabled, and nobody else's.

Nova passes over a disabled host twice. Placement is asked for hosts without the trait
COMPUTE_STATUS_DISABLED; and of those that it names, the scheduler's ComputeFilter drops the ones
whose service is disabled. A server whose zone is given as zone:host is not judged by filters, so
it gets there while the trait is off; all others are kept away by the filter as before. nova-compute
puts the trait back by itself within minutes, so a process that dies here leaves nothing for good.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from accounts.cloud import Cloud
from openstack_api import placement as change
from query_api.lookups import compute, placement
from workflow_api import CloudError

_TRIES = 5
_CONFLICT = 409


class _Doors:
    """One lock for each hypervisor: while it is open for one test it is not shut by another."""

    def __init__(self, cloud: Cloud) -> None:
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def of(self, hypervisor: str) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(hypervisor, threading.Lock())


@contextmanager
def admitting(cloud: Cloud, hypervisor: str, service: str) -> Iterator[None]:
    """Let a server that is sent to the hypervisor (by its id) in, also if it is disabled.

    Raises CloudError.
    """
    with cloud.shared(_Doors).of(hypervisor):
        if not _is_disabled(cloud, service):
            yield
            return
        _mark(cloud, hypervisor, disabled=False)
        try:
            yield
        finally:
            _shut(cloud, hypervisor, service)


def is_admitting(cloud: Cloud, hypervisor: str, service: str) -> bool:
    """Return whether a hypervisor is disabled and Placement does not know it. Raises CloudError."""
    if not _is_disabled(cloud, service):
        return False
    return placement.DISABLED not in placement.traits(cloud, hypervisor).traits


def shut_again(cloud: Cloud, hypervisor: str, service: str) -> None:
    """Put right what an earlier process left open. Raises CloudError."""
    with cloud.shared(_Doors).of(hypervisor):
        _shut(cloud, hypervisor, service)


def _shut(cloud: Cloud, hypervisor: str, service: str) -> None:
    if is_admitting(cloud, hypervisor, service):
        _mark(cloud, hypervisor, disabled=True)


def _is_disabled(cloud: Cloud, service: str) -> bool:
    now = compute.hypervisor_behind(cloud, service)
    return now is not None and now.status == "disabled"


def _mark(cloud: Cloud, hypervisor: str, *, disabled: bool) -> None:
    """Put the trait on or take it off; nova-compute may change the provider at the same time."""
    for left in reversed(range(_TRIES)):
        known = placement.traits(cloud, hypervisor)
        wanted = set(known.traits) - {placement.DISABLED}
        wanted |= {placement.DISABLED} if disabled else set()
        if wanted == set(known.traits):
            return
        try:
            change.set_traits(cloud, hypervisor, wanted, known.generation)
            return
        except CloudError as error:
            if error.status != _CONFLICT or not left:
                raise
