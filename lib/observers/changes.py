"""From how things are to what of it is news: one pure function for all observers.

A state counts when it has been seen in as many looks in a row, and for as long, as the settings
say (``steady_looks``, ``steady_for``): what comes and goes in between is not told. What lasts is
announced once more after ``again``, unless somebody is at work on it. A look that was not whole
says nothing of what it does not show.
"""

from __future__ import annotations

from collections.abc import Set

import msgspec

from accounts.cloud import Cloud
from accounts.sensor_config import SensorSettings
from observers.events import Change, Event, Payload, event_id, shown
from observers.observer import Condition, Observer, Sight, Surroundings

# The form of a stored memory; one of another form is not read.
FORM = 1
# Stands for the state of what was not seen.
_ABSENT = ""


class Known(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a thing. Times are seconds since 1970.

    ``state`` is the one that counts, since ``since``; None as long as none was steady. ``told`` is
    when it was last announced. ``seen`` is another one that was seen lately: since when, and in how
    many looks; None if there is none.
    """

    name: str
    state: str | None = None
    since: float = 0.0
    told: float = 0.0
    seen: str | None = None
    seen_since: float = 0.0
    seen_looks: int = 0


class Memory(msgspec.Struct, frozen=True):
    """What an observer remembers of a cloud, by ``kind:id``."""

    form: int = FORM
    known: dict[str, Known] = {}


class News(msgspec.Struct, frozen=True):
    """What one look has brought: events in the order of their subjects, and what to remember."""

    events: list[Event]
    memory: Memory
    sight: Sight


def observe(
    observer: Observer,
    cloud: Cloud,
    settings: SensorSettings,
    memory: Memory,
    surroundings: Surroundings,
    quiet: Set[str] = frozenset(),
) -> News:
    """Look at a cloud once and return what is news. Raises what the look raises.

    ``quiet`` are subjects of which something is still to be told, so that nothing is announced
    again of them.
    """
    sight = observer.look(cloud, settings, surroundings)
    return changes(observer, cloud.name, settings, memory, sight, surroundings, quiet)


def changes(
    observer: Observer,
    cloud: str,
    settings: SensorSettings,
    memory: Memory,
    sight: Sight,
    surroundings: Surroundings,
    quiet: Set[str] = frozenset(),
) -> News:
    """Return what of a sight is news, given what is remembered. See :func:`observe`."""
    now = surroundings.now
    seen = {one.subject: one for one in sight.conditions}
    missing = set() if sight.unread else memory.known.keys() - seen.keys()
    if sight.covers is not None:
        missing = {subject for subject in missing if sight.covers(subject)}
    known, news = dict(memory.known), dict[str, Change]()
    for subject in sorted({*seen, *missing}):
        after, change = _step(observer, settings, now, known.get(subject), seen.get(subject))
        known.pop(subject, None)
        if after is not None:
            known[subject] = after
        if change is not None:
            news[subject] = change
        elif subject in seen.keys() - quiet and _is_due(observer, settings, now, after):
            news[subject] = "still"
    runs = surroundings.runs_on(list(news)) if news else {}
    # Somebody is at work on what lasts: it is looked at again when that has ended.
    told = {one: change for one, change in news.items() if change != "still" or one not in runs}
    known |= {
        one: msgspec.structs.replace(known[one], told=now)
        for one, change in told.items()
        if change != "gone"
    }
    events = [
        _event(
            (observer.name, cloud, subject, now),
            change,
            memory.known.get(subject),
            known.get(subject),
            seen.get(subject),
            runs.get(subject),
        )
        for subject, change in told.items()
    ]
    return News(events, Memory(known=known), sight)


def _step(
    observer: Observer,
    settings: SensorSettings,
    now: float,
    before: Known | None,
    seen: Condition | None,
) -> tuple[Known | None, Change | None]:
    """Return what to remember of a thing after a look, None for nothing, and what has changed."""
    state = seen.state if seen else _ABSENT
    before = before or Known("")
    name = seen.name if seen else before.name
    if state == before.state:
        return Known(name, state, before.since, before.told), None
    if before.state is None and state == _ABSENT:
        return None, None
    if before.state is None and state in observer.normal:
        return Known(name, state, now), None
    again = state == before.seen
    since, looks = (before.seen_since, before.seen_looks + 1) if again else (now, 1)
    if looks < settings.steady_looks or now - since < (settings.steady_for or 0.0):
        return Known(name, before.state, before.since, before.told, state, since, looks), None
    if state == _ABSENT:
        return None, "gone"
    return Known(name, state, since), "new" if before.state is None else "changed"


def _is_due(observer: Observer, settings: SensorSettings, now: float, known: Known | None) -> bool:
    """Whether what lasts is to be announced again."""
    if known is None:
        return False
    lasts = known.state is not None and known.state not in observer.normal
    return lasts and now - known.told >= settings.again


def _event(
    where: tuple[str, str, str, float],
    change: Change,
    before: Known | None,
    after: Known | None,
    seen: Condition | None,
    run: str | None,
) -> Event:
    observer, cloud, subject, now = where
    kind, _, id = subject.partition(":")
    last = after or before
    assert last is not None
    assert last.state is not None
    since = last.since if after else _gone_since(last, now)
    # What lasts is announced several times: each is another event.
    parts = [observer, cloud, subject, change, last.state, repr(since)]
    payload = Payload(
        id=event_id(*parts, *([repr(now)] if change == "still" else [])),
        change=change,
        cloud=cloud,
        kind=kind,
        subject_id=id,
        name=last.name,
        state=last.state,
        before=before.state if before and change == "changed" else None,
        since=shown(since),
        at=shown(now),
        run=run,
        facts=seen.facts if seen else None,
    )
    return Event(observer, subject, msgspec.to_builtins(payload))


def _gone_since(known: Known, now: float) -> float:
    return known.seen_since if known.seen == _ABSENT else now
