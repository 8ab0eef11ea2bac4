"""Tells what happens in a cloud as it happens, from the notifications of its services."""

import os
import time
import uuid

from observer_sensor import REF, Poll
from st2reactor.sensor.base import Sensor

PROGRAM = "observing.notifying_child"
# Seconds: without a sign of life for that long, the process that reads is begun anew.
SILENCE = 60.0
PAUSES = (1, 5, 15, 60)


class NotificationsSensor(Sensor):
    """Dispatches what a process of its own reads, and says of each event whether that has worked.

    Nothing gets out of ``run``: StackStorm gives a sensor up whose process has ended three times.
    """

    def __init__(self, sensor_service, config=None):
        super().__init__(sensor_service, config=config)
        self._log = sensor_service.get_logger(name="notifications")
        # Who this is for the other sensor nodes, for as long as the process lives.
        self._holder = f"{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._said = []
        self._reader = None
        self._ended = False

    def setup(self):
        """Do nothing: the process that reads brings its own."""

    def cleanup(self):
        """End the process that reads; what it has not dispatched stays with the broker."""
        self._ended = True
        if self._reader is not None:
            self._reader.kill()

    def add_trigger(self, trigger):
        """Do nothing: triggers have no parameters."""

    def update_trigger(self, trigger):
        """Do nothing: triggers have no parameters."""

    def remove_trigger(self, trigger):
        """Do nothing: triggers have no parameters."""

    def run(self):
        """Read for ever, anew whenever the process that reads has ended."""
        tries = 0
        while not self._ended:
            began = time.monotonic()
            try:
                self._read()
            except Exception as error:
                if not self._ended:
                    self._say([f"{type(error).__name__}: {error}"])
            tries = 0 if time.monotonic() - began > SILENCE else tries
            self._wait(PAUSES[min(tries, len(PAUSES) - 1)])
            tries += 1

    def _read(self):
        """Start the process that reads, and dispatch what it says until it ends."""
        with Poll(SILENCE, PROGRAM) as self._reader:
            self._reader.ask({"config": dict(self.config or {}), "holder": self._holder})
            while not self._ended:
                answer = self._reader.answer()
                if "event" in answer:
                    self._reader.ask(self._dispatched(answer["event"]))
                else:
                    self._say(answer["said"])
                self._reader.extend(SILENCE)

    def _dispatched(self, event):
        """Dispatch an event; return what the process that reads is told of it."""
        trigger, payload = f"{REF}.{event['trigger']}", event["payload"]
        try:
            self.sensor_service.dispatch(trigger=trigger, payload=payload)
        except Exception as error:
            return {"failed": f"{trigger} could not be dispatched: {error}"}
        return {"dispatched": payload["id"]}

    def _say(self, said):
        """Log what is wrong, once for as long as it stays the same."""
        if said != self._said:
            for sentence in said:
                self._log.error("notifications: %s", sentence)
            if not said:
                self._log.info("notifications: all brokers are read again")
        self._said = said

    def _wait(self, seconds):
        until = time.monotonic() + seconds
        while not self._ended and time.monotonic() < until:
            time.sleep(0.2)
