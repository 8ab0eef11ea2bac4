"""Tells when a server is in ERROR, stuck, or waits to be confirmed."""

from observer_sensor import ObserverSensor


class ServerStateSensor(ObserverSensor):
    """Polls with the observer server_state."""

    observer = "server_state"
