"""What an observer is made of.

A module ``observers/<name>.py`` has one ``OBSERVER``, whose settings are the field ``<name>`` of
``accounts.sensor_config.Sensors``. It says how things are now, and nothing else: what of it is news
is found out by :mod:`observers.changes`, the same for all.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import Sensors
from common.errors import NotFound
from common.text import near


class Condition(msgspec.Struct, frozen=True):
    """How one thing is.

    ``kind`` and ``id`` are what runs claim it by (``hypervisor`` and its UUID), ``name`` is what
    people call it. ``facts`` is a struct of the observer's, which goes into the event's payload.
    """

    kind: str
    id: str
    name: str
    state: str
    facts: msgspec.Struct

    @property
    def subject(self) -> str:
        """``hypervisor:<uuid>``, as runs claim it."""
        return f"{self.kind}:{self.id}"


class Sight(msgspec.Struct, frozen=True):
    """What one look has seen.

    ``unread`` says what could not be read, in sentences: then nothing that is missing counts as
    gone. A thing whose own state could not be made out for that is left out, too. ``covers`` tells
    of a subject whether this look was to see it; None if it was to see all. Of others nothing is
    decided.
    """

    conditions: Sequence[Condition]
    unread: Sequence[str] = ()
    covers: Callable[[str], bool] | None = None


def sentences(*reasons: Iterable[tuple[str, str]]) -> list[str]:
    """Return what could not be read, and why, as :attr:`Sight.unread` has it; each once."""
    return list(dict.fromkeys(f"{what}: {why}" for some in reasons for what, why in some))


def _nobody(subjects: Iterable[str]) -> Mapping[str, str]:
    return {}


class Surroundings(msgspec.Struct, frozen=True):
    """What an observer knows beside the cloud.

    ``now`` is in seconds since 1970. ``runs_on(subjects)`` returns the ids of the runs that have
    not ended, by the subjects that they hold.
    """

    now: float
    runs_on: Callable[[Iterable[str]], Mapping[str, str]] = _nobody

    @property
    def moment(self) -> datetime:
        """The same as ``now``, in UTC, as queries take it."""
        return datetime.fromtimestamp(self.now, timezone.utc)


class Observer(msgspec.Struct, frozen=True, kw_only=True):
    """One observer.

    ``name`` is that of its module, settings, sensor and trigger type. ``about`` is a sentence that
    says when its trigger is dispatched, ``kind`` says in words what that is about. ``states`` says
    what each state means. What is ``normal`` is no news when it is seen for the first time, and is
    not announced again while it lasts.

    ``look(cloud, settings, surroundings)`` reads the cloud and changes nothing. It raises
    CloudError or UserError where nothing can be said: nothing is decided then.
    """

    name: str
    about: str
    kind: str
    facts: type[msgspec.Struct]
    states: Mapping[str, str]
    normal: Collection[str] = ()
    look: Callable[[Cloud, Any, Surroundings], Sight]


def names() -> list[str]:
    """Return the names of all observers."""
    return [
        field.name
        for field in msgspec.structs.fields(Sensors)
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
    ]


def observer(name: str) -> Observer:
    """Return an observer by its name. Raises NotFound with near names."""
    known = names()
    if name not in known:
        raise NotFound("sensor", name, near=near(name, known) or known)
    found: Observer = importlib.import_module(f"observers.{name}").OBSERVER
    return found
