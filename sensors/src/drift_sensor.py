"""Tells when flavors, images or aggregates differ from those of another cloud."""

from observer_sensor import ObserverSensor


class DriftSensor(ObserverSensor):
    """Polls with the observer drift."""

    observer = "drift"
