"""The base classes of sensors, as far as a sensor can see them."""

import abc
import time


class Sensor(metaclass=abc.ABCMeta):
    """Holds the pack's configuration and the service through which triggers are dispatched."""

    def __init__(self, sensor_service, config=None):
        self.sensor_service = sensor_service
        self.config = config or {}

    @abc.abstractmethod
    def setup(self):
        """Prepare."""

    @abc.abstractmethod
    def run(self):
        """Run for ever."""

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


class PollingSensor(Sensor):
    """One that polls."""

    def __init__(self, sensor_service, config=None, poll_interval=5):
        super().__init__(sensor_service, config=config)
        self._poll_interval = poll_interval

    @abc.abstractmethod
    def poll(self):
        """Poll once."""

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
