"""Reading the notifications of all brokers, for as long as a process lives.

Of several processes one reads a broker, by the same lease in the state store by which observers
look at clouds. What is known of a broker is kept there, too, so that the next one knows since when
nobody has read, and ``notifications.check`` what the reader has seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import msgspec

from accounts.broker import Broker, brokers
from accounts.config import PackConfig
from common.errors import RunbookError, StoreError, UserError
from notification_api.consuming import KEEP_EVERY, Consumer
from notification_api.facts import Event
from notification_api.reading import NAME, Reading
from state.observations import Observations, Taken, Turn, TurnLost
from state.store import Store

_LEASE = 4 * KEEP_EVERY
_PAUSE = 10.0


class Readers:
    """The readers of all brokers of a configuration.

    ``holder`` is who reads, for as long as the process lives. ``deliver`` hands an event on, one at
    a time; it raises ``notification_api.consuming.Undelivered`` if that did not work. ``bug`` logs
    an unexpected exception and returns a sentence with its number.
    """

    def __init__(
        self,
        config: PackConfig,
        holder: str,
        deliver: Callable[[Event], None],
        *,
        bug: Callable[[BaseException], str],
    ) -> None:
        """Raises UserError if no broker is configured, or one cannot be right."""
        self.config, self.holder, self.bug = config, holder, bug
        self.brokers = brokers(config)
        if not self.brokers:
            raise UserError(
                "No broker is configured, so there are no notifications to read.",
                advice="Add one to brokers in the pack's configuration, or disable the sensor.",
            )
        self.stop = threading.Event()
        self._deliver, self._one_at_a_time = deliver, threading.Lock()
        self._said: dict[str, str] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to read, each broker for itself."""
        for broker in self.brokers:
            thread = threading.Thread(target=self._run, args=(broker,), name=broker.name)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Stop reading and wait until that has happened."""
        self.stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def said(self) -> list[str]:
        """What keeps brokers from being read at the moment, in sentences."""
        return [said for said in self._said.copy().values() if said]

    def _run(self, broker: Broker) -> None:
        """Read one broker whenever it is this process's turn; nothing gets out of here."""
        while not self.stop.is_set():
            try:
                self._said[broker.name] = self._turn(broker)
            except RunbookError as error:
                self._said[broker.name] = f"{broker.who}: {error}"
            except Exception as error:
                self._said[broker.name] = f"{broker.who}: {self.bug(error)}"
            self.stop.wait(_PAUSE)

    def _turn(self, broker: Broker) -> str:
        """Read until we are stopped or it is another's turn; return what is to be said of that."""
        store = Store(self.config.state_url)
        try:
            observations = Observations(store)
            turn = observations.take(NAME, broker.name, self.holder, _LEASE)
            if isinstance(turn, Taken):
                return ""  # as it should be, where there are several
            kept = _Kept(observations, turn, self.holder, self._said)
            try:
                Consumer(
                    broker,
                    self.config.notifications,
                    self._hand_on,
                    kept.reading,
                    keep=kept.keep,
                ).run(self.stop)
            finally:
                with suppress(RunbookError):  # whoever comes next need not wait for our lease
                    kept.let_go()
            return ""
        finally:
            store.close()

    def _hand_on(self, event: Event) -> None:
        with self._one_at_a_time:
            self._deliver(event)


class _Kept:
    """What is known of a broker, as the state store keeps it while it is our turn."""

    def __init__(
        self, observations: Observations, turn: Turn, holder: str, said: dict[str, str]
    ) -> None:
        self._observations, self._turn, self._holder, self._said = observations, turn, holder, said
        self.reading = Reading.of(turn.memory)

    def keep(self, reading: Reading) -> None:
        """Store it and renew the lease. Raises TurnLost when another process reads by now.

        A store that is away does not stop the reading: events do not pass through it.
        """
        broker = self._turn.cloud
        self._said[broker] = f"Broker {broker}: {reading.error}" if reading.error else ""
        try:
            self._write(reading)
            turn = self._observations.take(NAME, broker, self._holder, _LEASE)
        except TurnLost:
            raise
        except StoreError as error:
            self._said[broker] = f"Broker {broker}: {error}"
            return
        if isinstance(turn, Taken):
            raise TurnLost(f"Broker {broker} is read by another process by now.")
        self._turn = turn

    def let_go(self) -> None:
        """Give the lease up, so that the next one need not wait for its end."""
        self._observations.take(NAME, self._turn.cloud, self._holder, 0.0)

    def _write(self, reading: Reading) -> None:
        memory = msgspec.json.encode(reading).decode()
        self._observations.remember(self._turn, memory, [], reading.error)
