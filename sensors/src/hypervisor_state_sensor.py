"""Tells when a hypervisor is in another state."""

from observer_sensor import ObserverSensor


class HypervisorStateSensor(ObserverSensor):
    """Polls with the observer hypervisor_state."""

    observer = "hypervisor_state"
