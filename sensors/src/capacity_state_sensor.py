"""Tells when there is too little room for servers of a flavor."""

from observer_sensor import ObserverSensor


class CapacityStateSensor(ObserverSensor):
    """Polls with the observer capacity_state."""

    observer = "capacity_state"
