"""Pretended Neutron agents: their heartbeats, and the floating IPs' status.

An Open vSwitch agent on every compute host; L3, DHCP and metadata agents on every network host.
Hosts named in the file $DEVCLOUD_AGENTS_DEAD, one a line, send no heartbeat. Of an agent's real
work one thing shows in the API, and is done here: a floating IP is ACTIVE while it is associated.
"""

import os
import sys
import threading
import time

HEARTBEAT = 10
EAGER = 60
PAUSE = 2

BRIDGES = {
    "bridge_mappings": {"physnet1": "br-ex"},
    "tunnel_types": ["vxlan"],
    "tunneling_ip": "127.0.0.1",
    "integration_bridge": "br-int",
}
ROUTERS = {
    "agent_mode": "legacy",
    "handle_internal_only_routers": True,
    "interface_driver": "openvswitch",
    "log_agent_heartbeats": False,
}
ON_COMPUTE_HOSTS = (("Open vSwitch agent", "neutron-openvswitch-agent", "N/A", BRIDGES),)
ON_NETWORK_HOSTS = (
    ("L3 agent", "neutron-l3-agent", "l3_agent", ROUTERS),
    (
        "DHCP agent",
        "neutron-dhcp-agent",
        "dhcp_agent",
        {"dhcp_driver": "neutron.agent.linux.dhcp.Dnsmasq"},
    ),
    ("Metadata agent", "neutron-metadata-agent", "N/A", {}),
)


def main():
    """devcloud-neutron-agents --config-file=FILE ..."""
    from neutron.agent import rpc
    from neutron.agent.l3 import agent as l3
    from neutron.common import config
    from neutron.conf import service as service_options
    from neutron.conf.agent import common as agent_options
    from neutron_lib import context
    from neutron_lib.agent import topics
    from oslo_config import cfg

    config.register_common_config_options()
    agent_options.register_agent_state_opts_helper(cfg.CONF)
    service_options.register_service_opts(service_options.RPC_EXTRA_OPTS, cfg.CONF)
    config.init(sys.argv[1:])
    config.setup_logging()
    admin = context.get_admin_context_without_session()
    computes = os.environ["DEVCLOUD_COMPUTE_HOSTS"].split()
    networks = os.environ["DEVCLOUD_NETWORK_HOSTS"].split()
    heart = Heart(admin, rpc.PluginReportStateAPI(topics.REPORTS), _agents(computes, networks))
    addresses = [
        FloatingIps(admin, host, l3.L3PluginApi(topics.L3PLUGIN, host)) for host in networks
    ]
    # side by side, because a question to a server that is not up yet takes its time to fail
    threads = [threading.Thread(target=_forever, args=[work]) for work in (heart, *addresses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # an interpreter that has nothing left to do lets nobody make threads


def _forever(work):
    while True:
        try:
            work.turn(_dead_hosts())
        except Exception as error:  # a broker or server that is away comes back
            print(f"{type(work).__name__}: {str(error).splitlines()[0]}", flush=True)
        time.sleep(PAUSE)


class Heart:
    """Reports the state of every agent that is not dead.

    At first at every turn: what is sent before the server listens is lost, and nobody shall wait.
    """

    def __init__(self, context, reports, agents):
        self._context, self._reports, self._agents = context, reports, agents
        self._started = self._last = time.monotonic()

    def turn(self, dead):
        now = time.monotonic()
        if now - self._started > EAGER and now - self._last < HEARTBEAT:
            return
        for agent in self._agents:
            if agent["host"] not in dead:
                self._reports.report_state(self._context, dict(agent))
        self._last = now


class FloatingIps:
    """Keeps the status of the floating IPs on one network host's routers."""

    def __init__(self, context, host, server):
        self._context, self._host, self._server = context, host, server
        self._told = {}

    def turn(self, dead):
        if self._host in dead:
            return
        for router in self._server.get_routers(self._context):
            status = {
                address["id"]: "ACTIVE" if address.get("fixed_ip_address") else "DOWN"
                for address in router.get("_floatingips", [])
            }
            if status and status != self._told.get(router["id"]):
                self._server.update_floatingip_statuses(self._context, router["id"], status)
            self._told[router["id"]] = status


def _agents(computes, networks):
    return [
        {
            "agent_type": kind,
            "binary": binary,
            "host": host,
            "topic": topic,
            "configurations": configuration,
            "availability_zone": "nova",
            "start_flag": False,
        }
        for hosts, agents in ((computes, ON_COMPUTE_HOSTS), (networks, ON_NETWORK_HOSTS))
        for host in hosts
        for kind, binary, topic, configuration in agents
    ]


def _dead_hosts():
    try:
        with open(os.environ["DEVCLOUD_AGENTS_DEAD"]) as file:
            return set(file.read().split())
    except FileNotFoundError:
        return set()
