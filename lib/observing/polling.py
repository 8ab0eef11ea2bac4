"""One poll of one observer: take the turn, look, store what is news, hand it over, confirm it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.config import PackConfig
from accounts.sensor_config import SensorSettings
from common.errors import RunbookError, StoreError
from common.text import listed
from observers.changes import FORM, Memory, observe
from observers.observer import Observer, Surroundings, observer
from state.journal import Journal
from state.observations import Found, Observations, Taken, Turn
from state.store import Store

_AT_ONCE = 500


class Polled(msgspec.Struct, frozen=True):
    """What came of a poll of one cloud.

    ``events`` are to be dispatched and then confirmed, the oldest first; some of them may be of an
    earlier poll. ``waits_for`` is who polls instead. ``error`` is a sentence on what kept it from
    seeing all; ``states`` counts the things that were seen by their states.
    """

    cloud: str
    events: Sequence[Found] = ()
    waits_for: str | None = None
    error: str | None = None
    states: Mapping[str, int] = {}


class Poller:
    """One observer over its clouds, for one process.

    ``holder`` is who that is, for as long as it lives; a process that does not poll all the time
    hands it from one poll to the next. ``bug`` logs an unexpected exception and returns a sentence
    with its number.
    """

    def __init__(
        self,
        name: str,
        config: PackConfig,
        holder: str,
        clouds: Collection[str] = (),
        *,
        bug: Callable[[BaseException], str],
    ) -> None:
        """Poll only ``clouds``, if any are given.

        Raises NotFound for an observer, or a cloud of its settings, that there is not.
        """
        self.bug = bug
        self.observer: Observer = observer(name)
        self.settings: SensorSettings = getattr(config.sensors, name)
        self.config, self.holder = config, holder
        configured = [entry.name for entry in config.clouds]
        wanted = configured if self.settings.clouds is None else self.settings.clouds
        named = [config.cloud(one).name for one in dict.fromkeys(wanted)]
        self.clouds = [
            Cloud.from_config(config, one) for one in named if not clouds or one in clouds
        ]
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The state store, opened when it is first needed. Raises UserError, StoreError."""
        if self._store is None:
            self._store = Store(self.config.state_url)
        return self._store

    def leave(self) -> None:
        """Give up the turn, for a holder that does not come back, and close the state store."""
        if self._store is not None:
            with suppress(StoreError):  # then the turn ends by itself
                Observations(self._store).leave(self.observer.name, self.holder)
        self.close()

    def close(self) -> None:
        """Close the state store."""
        if self._store is not None:
            self._store.close()

    def poll(self) -> list[Polled]:
        """Poll each cloud, side by side. What goes wrong with one is its own ``error``.

        Raises UserError and StoreError for a state store that cannot be opened.
        """
        store = self.store
        if len(self.clouds) < 2:
            return [self._poll(store, cloud) for cloud in self.clouds]
        from concurrent.futures import ThreadPoolExecutor  # one cloud needs none

        with ThreadPoolExecutor(len(self.clouds)) as pool:
            return list(pool.map(lambda cloud: self._poll(store, cloud), self.clouds))

    def confirm(self, ids: Collection[str]) -> int:
        """Say that events were dispatched; return of how many nobody had said it before."""
        observations = Observations(self.store)
        confirmed = observations.told(ids)
        observations.forget(float(self.config.sensors.keep_events))
        return confirmed

    def _poll(self, store: Store, cloud: Cloud) -> Polled:
        observations = Observations(store)
        name = self.observer.name
        try:
            turn = observations.take(name, cloud.name, self.holder, self.settings.lease)
            if isinstance(turn, Taken):
                return Polled(cloud.name, waits_for=turn.holder)
            error, states = self._look(store, cloud, turn)
            return Polled(cloud.name, observations.untold(name, cloud.name), None, error, states)
        except RunbookError as error:
            return Polled(cloud.name, error=str(error))
        except Exception as error:  # another cloud's events are none the worse for it
            return Polled(cloud.name, error=self.bug(error))

    def _look(self, store: Store, cloud: Cloud, turn: Turn) -> tuple[str | None, dict[str, int]]:
        """Look once and store what is news; return what was not seen, and what was, counted."""
        observations = Observations(store)
        quiet = {one.subject for one in observations.untold(turn.observer, turn.cloud)}
        surroundings = Surroundings(turn.now, runs_on=lambda subjects: _runs_on(store, subjects))
        try:
            memory = _read(turn)
            news = observe(self.observer, cloud, self.settings, memory, surroundings, quiet)
        except RunbookError as error:
            observations.failed(turn, str(error))
            return str(error), {}
        unread = f"Not all was seen: {listed(news.sight.unread, 3)}" if news.sight.unread else None
        found = [Found(one.id, one.subject, one.trigger, one.payload) for one in news.events]
        observations.remember(turn, _written(news.memory), found, unread)
        states: dict[str, int] = {}
        for one in news.sight.conditions:
            states[one.state] = states.get(one.state, 0) + 1
        return unread, states


def _runs_on(store: Store, subjects: Iterable[str]) -> dict[str, str]:
    """Return the runs that hold subjects; what a run holds it holds until it has ended."""
    journal, wanted, found = Journal(store), list(subjects), dict[str, str]()
    for first in range(0, len(wanted), _AT_ONCE):
        holders = journal.holders(wanted[first : first + _AT_ONCE])
        found |= {one: run.id for one, run in holders.items()}
    return found


def _written(memory: Memory) -> str:
    return msgspec.json.encode(memory, order="sorted").decode()


def _read(turn: Turn) -> Memory:
    """Return what is remembered. Raises StoreError for what cannot be read: nothing is decided."""
    if turn.memory is None:
        return Memory()
    why: Any
    try:
        memory = msgspec.json.decode(turn.memory, type=Memory)
        why = None if memory.form == FORM else f"it has form {memory.form}, not {FORM}"
    except msgspec.DecodeError as error:
        why = error
    if why is not None:
        raise StoreError(
            f"What {turn.observer} remembers of {turn.cloud} cannot be read ({why}). Nothing is "
            "decided without it.",
            advice="Another version of the pack may have written it: use the same everywhere. "
            "docs/SENSORS.md says how to begin anew.",
        )
    return memory
