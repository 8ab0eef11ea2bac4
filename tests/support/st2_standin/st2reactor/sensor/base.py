"""The base class of sensors that poll, as far as a sensor can see it."""

import abc
import time


class PollingSensor(metaclass=abc.ABCMeta):
    """Holds the pack's configuration and the service through which triggers are dispatched."""

    def __init__(self, sensor_service, config=None, poll_interval=5):
        self.sensor_service = sensor_service
        self.config = config or {}
        self._poll_interval = poll_interval

    @abc.abstractmethod
    def setup(self):
        """Prepare."""

    @abc.abstractmethod
    def poll(self):
        """Poll once."""

    @abc.abstractmethod
    def cleanup(self):
        """Tidy up."""

    @abc.abstractmethod
    def add_trigger(self, trigger):
        """Hear of a trigger."""

    @abc.abstractmethod
    def update_trigger(self, trigger):
        """Hear of a trigger that has changed."""

    @abc.abstractmethod
    def remove_trigger(self, trigger):
        """Hear that a trigger is no more."""

    def run(self):
        """Poll for ever."""
        while True:
            self.poll()
            time.sleep(self._poll_interval)

    def get_poll_interval(self):
        """Return the seconds between two polls."""
        return self._poll_interval

    def set_poll_interval(self, poll_interval):
        """Set the seconds between two polls."""
        self._poll_interval = poll_interval
