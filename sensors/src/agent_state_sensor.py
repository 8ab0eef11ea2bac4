"""Tells when a service or agent of Nova, Neutron or Cinder is down."""

from observer_sensor import ObserverSensor


class AgentStateSensor(ObserverSensor):
    """Polls with the observer agent_state."""

    observer = "agent_state"
