"""Tells when a router has a gateway in one of the configured ranges."""

from observer_sensor import ObserverSensor


class RouterGatewaySensor(ObserverSensor):
    """Polls with the observer router_gateway."""

    observer = "router_gateway"
