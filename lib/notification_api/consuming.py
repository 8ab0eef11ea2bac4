"""One broker is read: each notification is handed on as an event, and acknowledged then.

What was handed on and not acknowledged comes again, as the same event. What cannot be handed on
stays with the broker, which keeps it as long as its limits say. Where more may have been lost than
nothing, a gap is told, so that whoever keeps track looks anew.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from threading import Event as Signal
from typing import TYPE_CHECKING, Any

from accounts.broker import Broker
from accounts.broker_config import Notifications
from common.duration import Duration
from common.text import clean, listed
from notification_api import queues
from notification_api.connecting import BrokerError, connected, explained
from notification_api.facts import Event, event_id, events, row_of, shown
from notification_api.messages import Malformed, decoded
from notification_api.reading import Reading

if TYPE_CHECKING:
    from kombu import Connection

_LOG = logging.getLogger(__name__)
_PREFETCH = 50
_RECENT = 10_000
_TICK_EVERY = 1.0
_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
#: Seconds: how often what is known is kept, how often the broker is looked at, and how long it has
#: to be away until that is told; a broker that is started anew is back before.
KEEP_EVERY, _LOOK_EVERY, _TELL_DOWN_AFTER = 15.0, 30.0, 60.0
# A notification of this share of its time to live was about to be dropped, and others were.
_OLD = 0.95


class Undelivered(Exception):
    """An event could not be handed on; the same one is handed on later."""


class Consumer:
    """The reader of one broker.

    ``deliver`` hands an event on, and raises Undelivered if that did not work. ``keep`` is called
    now and then with what is known; it may raise what ends the reading. ``connect`` and ``clock``
    are for tests.
    """

    def __init__(
        self,
        broker: Broker,
        settings: Notifications,
        deliver: Callable[[Event], None],
        reading: Reading,
        *,
        keep: Callable[[Reading], None] = lambda reading: None,
        connect: Callable[[Broker], Connection] = connected,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.broker, self.settings, self.reading = broker, settings, reading
        self._deliver, self._keep, self._connect, self._clock = deliver, keep, connect, clock
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._stuck: str | None = None
        self._late = False
        self._kept_at = self._looked_at = 0.0

    def run(self, stop: Signal) -> None:
        """Read until ``stop`` is set, whatever becomes of the broker meanwhile."""
        pauses = _pauses()
        while not stop.is_set():
            before = self.reading.seen_at
            try:
                self._read(stop)
            except BrokerError as error:
                self._is_down(error)
            except Undelivered as error:
                self._stuck = self.reading.error = f"Events cannot be handed on: {clean(error)}"
                _LOG.warning("%s: %s", self.broker.who, self._stuck)
                self._keep(self.reading)
            if self.reading.seen_at != before:
                pauses = _pauses()  # it went well for a while
            stop.wait(next(pauses) if not stop.is_set() else 0)
        self._keep(self.reading)

    def _read(self, stop: Signal) -> None:
        """Read over one connection. Raises BrokerError when it breaks, and Undelivered."""
        connection = self._connect(self.broker)
        try:
            self._prepare(connection)
            self._consume(connection, stop)
        except (*connection.connection_errors, *connection.channel_errors, OSError) as error:
            raise explained(self.broker, error) from error
        finally:
            _release(connection)

    def _prepare(self, connection: Connection) -> None:
        """Have the queue, bound, and tell what may have been lost before."""
        before = queues.standing(connection, self.broker, self.broker.entry.queue)
        self._note_gap(self._lost_before(before))
        if before is None:
            queues.make(connection, self.broker)
        self._bind(connection, self.broker.entry.exchanges)
        unbound = self.reading.unbound
        there = [name for name in self.broker.entry.exchanges if name not in unbound]
        fleeting = [name for name in there if not queues.lasts(connection, self.broker, name)]
        if before is not None and fleeting:
            are = "exchange" if len(fleeting) == 1 else "exchanges"
            self._note_gap(
                [f"{are} {listed(fleeting)} may have been away with what is bound to it"]
            )
        self._tell_gap()
        self._is_back()

    def _lost_before(self, before: queues.Standing | None) -> list[str]:
        """Return why notifications may have been lost before the queue is read."""
        entry, seen = self.broker.entry, self.reading.seen_at
        if before is None:
            return [f"queue {clean(entry.queue)} was not there"]
        reasons = []
        away = None if seen is None else self._clock() - seen
        if away is None:
            reasons.append("it is not known when it was last read")
        elif away > float(entry.message_ttl):
            reasons.append(f"it was not read for {Duration(round(away))}, so what came was dropped")
        return reasons + self._running_over(before)

    def _running_over(self, found: queues.Standing) -> list[str]:
        """Return what to tell of a queue that is full, or no longer is: that once each."""
        was, self.reading.full = self.reading.full, found.messages >= self.broker.entry.max_messages
        if self.reading.full and not was:
            return [f"its queue is full with {found.messages} notifications"]
        return ["its queue was full until now"] if was and not self.reading.full else []

    def _consume(self, connection: Connection, stop: Signal) -> None:
        import kombu  # only a broker needs it

        channel = connection.channel()
        queue = kombu.Queue(self.broker.entry.queue, no_declare=True)
        with kombu.Consumer(
            channel,
            queues=[queue],
            on_message=self._take,
            auto_declare=False,
            prefetch_count=_PREFETCH,
        ):
            ticked_at = 0.0
            while not stop.is_set():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=_TICK_EVERY)
                if (now := time.monotonic()) - ticked_at >= _TICK_EVERY:
                    ticked_at = now
                    self._tick(connection)

    def _take(self, message: Any) -> None:
        """Hand on what one message says, then acknowledge it. Raises Undelivered."""
        for event in self._events_of(message):
            if event.id in self._recent:
                self.reading.duplicates += 1
                continue
            self._hand_on(event)
            self.reading.dispatched += 1
            self._recent[event.id] = None
            if len(self._recent) > _RECENT:
                self._recent.popitem(last=False)
        message.ack()

    def _events_of(self, message: Any) -> list[Event]:
        """Return what a message says, nothing of one that cannot be read or is not wanted."""
        try:
            if message.errors:
                raise Malformed("it cannot be unpacked")
            said = decoded(message.body)
            self.reading.last_at = self._clock()
            if (row := row_of(said.event_type)) is None:
                self.reading.ignored += 1
                return []
            self.reading.note(said, row)
            late = self._clock() - said.when > _OLD * float(self.broker.entry.message_ttl)
            if late and not self._late:
                why = "notifications waited for so long that older ones were dropped"
                self.reading.gap = self.reading.gap or why
            self._late = late
            if not self._is_wanted(said.event_type):
                self.reading.ignored += 1
                return []
            return list(events(said, row, cloud=self.broker.cloud, broker=self.broker.name))
        except Malformed as error:
            _LOG.warning("%s: a message is no notification: %s", self.broker.who, error)
        except Exception:  # one that nobody has thought of must not come for ever
            _LOG.exception("%s: a message could not be read", self.broker.who)
        self.reading.malformed += 1
        return []

    def _is_wanted(self, event_type: str) -> bool:
        wanted = any(fnmatchcase(event_type, one) for one in self.settings.events)
        return wanted and not any(fnmatchcase(event_type, one) for one in self.settings.ignored)

    def _tick(self, connection: Connection) -> None:
        """What is due while the connection stands: a sign of life, a look, the gap, the record."""
        connection.heartbeat_check()
        now = self._clock()
        self.reading.seen_at, self.reading.error = now, self._stuck
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._look(connection)
        if self.reading.gap:
            self._tell_gap()
        if now - self._kept_at >= KEEP_EVERY:
            self._kept_at = now
            self._keep(self.reading)

    def _look(self, connection: Connection) -> None:
        """See whether the queue runs over, and whether exchanges have come that were not there."""
        found = queues.standing(connection, self.broker, self.broker.entry.queue)
        if found is not None:
            self._note_gap(self._running_over(found))
        if self.reading.unbound:
            self._bind(connection, self.reading.unbound)

    def _bind(self, connection: Connection, exchanges: Iterable[str]) -> None:
        """Bind the queue; an exchange that has come had sent before that to nobody."""
        before = self.reading.unbound
        self.reading.unbound = queues.bind(connection, self.broker, exchanges)
        if come := [name for name in before if name not in self.reading.unbound]:
            self._note_gap([f"{listed(come)} is read from now on only: it was not there"])

    def _note_gap(self, reasons: list[str]) -> None:
        """Keep a gap until it is told, also if we end before."""
        if reasons and not self.reading.gap:
            self.reading.gap = "; ".join(reasons)
            self._keep(self.reading)

    def _tell_gap(self) -> None:
        if self.reading.gap is None:
            return
        why = f"Notifications of {self.broker.name} may have been lost: {self.reading.gap}."
        # Told again after a crash it is another event, and looking anew once more does no harm.
        self._tell("gap", why, str(self._clock()), self.reading.seen_at)
        self.reading.gaps += 1
        self.reading.last_gap, self.reading.gap = why, None
        self.reading.seen_at = self._clock()  # what was lost before is told
        self._keep(self.reading)

    def _is_down(self, error: BrokerError) -> None:
        """Note that the broker is not read, and tell it once if that lasts."""
        self.reading.error = error.message
        if self.reading.down_since is None:
            self.reading.down_since = self._clock()
            _LOG.warning("%s", error)
        since = self.reading.down_since
        if not self.reading.told_down and self._clock() - since >= _TELL_DOWN_AFTER:
            try:
                self._tell("down", str(error), str(since), self.reading.seen_at)
                self.reading.told_down = True
            except Undelivered as failed:
                _LOG.warning("%s", failed)
        self._keep(self.reading)

    def _is_back(self) -> None:
        since = self.reading.down_since
        if self.reading.told_down:
            self._tell("back", f"{self.broker.who} is read again.", str(since), since)
        self.reading.down_since, self.reading.told_down, self.reading.error = (
            None,
            False,
            self._stuck,
        )

    def _tell(self, state: str, reason: str, which: str, since: float | None) -> None:
        payload = {
            "id": event_id(self.broker.name, state, which),
            "cloud": self.broker.cloud,
            "broker": self.broker.name,
            "state": state,
            "reason": reason,
            "at": shown(self._clock()),
            "since": None if since is None else shown(since),
        }
        self._hand_on(Event("notifications_state", payload))

    def _hand_on(self, event: Event) -> None:
        self._deliver(event)
        self._stuck = None


def _pauses() -> Iterator[float]:
    """Yield how many seconds to wait before each try."""
    yield from _PAUSES
    while True:
        yield _PAUSES[-1]


def _release(connection: Connection) -> None:
    """Close a connection, which may be broken; what is not acknowledged stays with the broker."""
    try:
        connection.release()
    except Exception:
        _LOG.debug("a connection was not closed in order", exc_info=True)
