"""An ML2 mechanism driver that binds every port on every host, without an agent."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api

DETAILS = {
    portbindings.CAP_PORT_FILTER: True,
    portbindings.OVS_HYBRID_PLUG: False,
    portbindings.VIF_DETAILS_BRIDGE_NAME: "br-int",
}


class DevcloudMechanismDriver(api.MechanismDriver):
    """Says yes to the first segment it is offered."""

    def initialize(self):
        """Nothing to prepare."""

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        for segment in context.segments_to_bind[:1]:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_OVS,
                dict(DETAILS),
                status=constants.PORT_STATUS_ACTIVE,
            )
