"""Tells when a cloud or one of its services does not answer."""

from observer_sensor import ObserverSensor


class CloudStateSensor(ObserverSensor):
    """Polls with the observer cloud_state."""

    observer = "cloud_state"
