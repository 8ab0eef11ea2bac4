"""Placement's resource providers as trees, answering what is read of their inventories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import msgspec

from common.errors import CloudError
from query_api.wire.reading import Reading

Json = dict[str, Any]


@dataclass
class Provider:
    """One provider: by class (total, reserved, ratio, used); ``root`` is itself by default."""

    id: str
    holds: dict[str, tuple[int, int, float, int]]
    root: str = ""
    traits: list[str] = field(default_factory=list)
    #: Deleted between the listing of the providers and the questions about each.
    gone: bool = False
    #: Placement fails when it is asked about it.
    broken: bool = False

    def __post_init__(self) -> None:
        self.root = self.root or self.id

    def amounts(self) -> Iterator[tuple[str, int, int]]:
        """Yield each class with its capacity and what is used of it."""
        for name, (total, reserved, ratio, used) in self.holds.items():
            yield name, int((total - reserved) * ratio), used


class Trees(Reading):
    """A Reading of a cloud with these providers; ``asked`` are the paths, in order."""

    most = 1  # type: ignore[assignment]

    def __init__(self, *providers: Provider) -> None:
        super().__init__(SimpleNamespace(name="fake"))  # type: ignore[arg-type]
        self.providers = {provider.id: provider for provider in providers}
        self.asked: list[str] = []

    def log_in(self) -> None:
        """Nobody asks for credentials here."""

    def one(
        self,
        service: str,
        path: str,
        shape: Any,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
    ) -> Any:
        """Return the answer to one question, decoded as ``shape``."""
        assert service == "placement"
        self.asked.append(path)
        if path == "/allocation_candidates":
            asked = params or {}
            answer = self._candidates(asked["resources"], asked.get("in_tree"))
        elif path == "/resource_providers":
            answer = self._listed((params or {}).get("in_tree"))
        else:
            _, _, provider, what = path.split("/")
            answer = self._said(self.providers[provider], what)
        return msgspec.convert(answer, shape)

    def _listed(self, tree: str | None) -> Json:
        root = self.providers[tree].root if tree in self.providers else None
        return {
            "resource_providers": [
                {"uuid": one.id, "root_provider_uuid": one.root}
                for one in self.providers.values()
                if tree is None or one.root == root
            ]
        }

    def _said(self, provider: Provider, what: str) -> Json:
        if provider.broken:
            raise CloudError("It hurts.", status=500)
        if provider.gone:
            raise CloudError("No resource provider.", status=404)
        return {
            "inventories": {
                name: {"total": total, "reserved": reserved, "allocation_ratio": ratio}
                for name, (total, reserved, ratio, _used) in provider.holds.items()
            },
            "usages": {name: used for name, _capacity, used in provider.amounts()},
            "traits": provider.traits,
        }

    def _candidates(self, resources: str, tree: str | None) -> Json:
        wanted, _, amount = resources.partition(":")
        roots = {
            one.root
            for one in self.providers.values()
            for name, capacity, used in one.amounts()
            if name == wanted and capacity - used >= int(amount) and tree in (None, one.root)
        }
        return {
            "provider_summaries": {
                one.id: {
                    "root_provider_uuid": one.root,
                    "traits": one.traits,
                    "resources": {
                        name: {"capacity": capacity, "used": used}
                        for name, capacity, used in one.amounts()
                    },
                }
                for one in self.providers.values()
                if one.root in roots
            }
        }
