"""Volumes and their snapshots on a real cloud, in states from which their verbs lead."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from support.cloud_site import Site
from support.proxy import Match
from verbs.verb import Verb

_MARK = "openstack_ops:protected"
Shown = dict[str, Any]


@dataclass(frozen=True)
class _Case:
    """What a verb is tried on: what is done before, what it is called with, and what is so then."""

    is_so: Callable[[Shown], bool]
    before: Callable[[Site, str], object] = lambda site, volume: None
    parameters: dict[str, Any] = field(default_factory=dict)
    method: str = "POST"


def _protect(site: Site, volume: str) -> None:
    site.sdk.block_storage.set_volume_metadata(volume, **{_MARK: "true"})


def _hang(site: Site, volume: str) -> None:
    site.sdk.block_storage.reset_volume_status(volume, status="extending")


_CASES = {
    "volume.extend": _Case(
        lambda shown: bool(shown["status"] == "available" and shown["size"] == 2),
        parameters={"size_gib": 2},
    ),
    "volume.update": _Case(
        lambda shown: {"team": "web", "stage": "test"}.items() <= shown["metadata"].items(),
    ),
    "volume.retype": _Case(
        lambda shown: bool(
            shown["status"] == "available" and shown["volume_type"] == "__DEFAULT__"
        ),
        parameters={"volume_type": "__DEFAULT__"},
    ),
    "volume.reset_state": _Case(
        lambda shown: bool(shown["status"] == "available"),
        before=_hang,
        parameters={"older_than": "0s"},
    ),
    "volume.protect": _Case(lambda shown: shown["metadata"].get(_MARK) == "true"),
    "volume.unprotect": _Case(
        lambda shown: _MARK not in shown["metadata"], before=_protect, method="DELETE"
    ),
    "volume.delete": _Case(lambda shown: not shown, method="DELETE"),
}


class VolumeOnCloud:
    """A volume of 1 GiB."""

    def __init__(self, site: Site, verb: Verb) -> None:
        self._site, self._case = site, _CASES[verb.name]
        self.change = Match("block-storage", self._case.method, "/volumes/")
        self._volume = site.volume(f"proof-{uuid.uuid4().hex[:8]}")
        self._case.before(site, self._volume)

    def parameters(self) -> dict[str, Any]:
        return {"volume": self._volume, **self._case.parameters}

    def is_as_it_should(self) -> bool:
        return self._case.is_so(self._site.find_volume(self._volume) or {})

    def facts(self) -> dict[str, Any]:
        shown = self._site.find_volume(self._volume) or {}
        return {word: shown.get(word) for word in ("status", "size", "volume_type", "metadata")}


class SnapshotOnCloud:
    """A snapshot of a volume of 1 GiB."""

    change = Match("block-storage", "DELETE", "/snapshots/")

    def __init__(self, site: Site, verb: Verb) -> None:
        self._site = site
        name = f"proof-{uuid.uuid4().hex[:8]}"
        self._snapshot = site.volume_snapshot(name, site.volume(name))

    def parameters(self) -> dict[str, Any]:
        return {"volume_snapshot": self._snapshot}

    def is_as_it_should(self) -> bool:
        return not self.facts()

    def facts(self) -> dict[str, Any]:
        shown = self._site.find_volume_snapshot(self._snapshot) or {}
        return {word: shown[word] for word in ("id", "status") if word in shown}
