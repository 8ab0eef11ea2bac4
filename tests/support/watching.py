"""A toy observer whose cloud is whatever a test says, and a sensor that is killed where it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any

import msgspec

from accounts.config import load
from observers.observer import Condition, Observer, Sight, Surroundings, observer
from observing import polling
from observing.polling import Polled, Poller
from support.runs import toy_house

NAME = "hypervisor_state"
CLOUD = "toy"
ENTRY = {"name": CLOUD, "auth": {"auth_url": "http://nowhere/v3"}}


class ToyFacts(msgspec.Struct, frozen=True):
    """What is known of a toy."""

    colour: Annotated[str, msgspec.Meta(description="Its colour.")] = "red"


@dataclass
class Toys:
    """What the toy observer sees: states by ids. ``unread`` says that this is not all."""

    states: Mapping[str, str] = field(default_factory=dict)
    unread: Sequence[str] = ()
    error: Exception | None = None
    looks: int = 0

    def look(self, cloud: Any, settings: Any, around: Surroundings) -> Sight:
        self.looks += 1
        if self.error is not None:
            raise self.error
        return Sight(
            [
                Condition("toy", id, f"toy {id}", state, ToyFacts())
                for id, state in self.states.items()
            ],
            self.unread,
        )

    def observer(self, normal: Iterable[str] = ("fine",)) -> Observer:
        words = ("fine", "broken", "lost", "dirty")
        return Observer(
            name=NAME,
            about="A toy is in another state.",
            kind="toy",
            facts=ToyFacts,
            states=dict.fromkeys(words, "so."),
            normal=frozenset(normal),
            look=self.look,
        )


@dataclass
class Nursery:
    """A state store, and pollers of the toy observer on it."""

    state_url: str
    toys: Toys
    settings: dict[str, Any]

    def poller(self, holder: str = "me") -> Poller:
        config = load(
            {
                "clouds": [ENTRY],
                "state_url": self.state_url,
                "sensors": {NAME: {"steady_looks": 1, **self.settings}},
            }
        )
        return Poller(NAME, config, holder, bug=_raise)

    def poll(self, poller: Poller) -> Polled:
        (polled,) = poller.poll()
        return polled


def _raise(error: BaseException) -> str:
    raise error


@contextmanager
def nursery(
    monkeypatch: Any, normal: Iterable[str] = ("fine",), **settings: Any
) -> Iterator[Nursery]:
    """Give a state store, and toys in place of what the observer hypervisor_state looks at."""
    toys = Toys()
    with toy_house() as (house, _):
        monkeypatch.setattr(
            polling,
            "observer",
            lambda name: toys.observer(normal) if name == NAME else observer(name),
        )
        yield Nursery(house.state_url, toys, settings)


__all__ = ["CLOUD", "NAME", "Nursery", "ToyFacts", "Toys", "nursery"]
