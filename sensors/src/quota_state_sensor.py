"""Tells when a project has used most of a quota."""

from observer_sensor import ObserverSensor


class QuotaStateSensor(ObserverSensor):
    """Polls with the observer quota_state."""

    observer = "quota_state"
