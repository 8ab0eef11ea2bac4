"""What a service of a devcloud is, as data, and in which environment it runs."""

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass

from devcloud.processes import Process
from devcloud.settings import Settings


@dataclass(frozen=True)
class Service:
    """One background process.

    `after` names the services and steps it needs first; `grace` is how many seconds it has to end
    before it is killed (Nova and Neutron would take up to 15 s, with nothing left to lose).
    `environ` is what it finds in its environment beside what all services do; `may_be_silent` says
    whether it need not answer now, `is_off` whether it is not to run now.
    """

    name: str
    command: tuple[str, ...]
    port: str | None = None
    is_http: bool = False
    after: tuple[str, ...] = ()
    grace: float = 5
    in_venv: bool = True
    more_ports: tuple[str, ...] = ()
    environ: tuple[tuple[str, str], ...] = ()
    address: str = "127.0.0.1"
    may_be_silent: Callable[[], bool] = lambda: False
    is_off: Callable[[], bool] = lambda: False

    @property
    def ports(self) -> tuple[str, ...]:
        return (self.port, *self.more_ports) if self.port else self.more_ports

    def process(self, settings: Settings) -> Process:
        return Process(self.name, settings.run, settings.log)

    def start(self, settings: Settings) -> int:
        """Start it, and answer its pid."""
        environ = environment(settings) | dict(self.environ)
        return self.process(settings).start(self.command, environ)


def environment(settings: Settings) -> dict[str, str]:
    """What every service finds in its environment: nothing of the caller's but the language."""
    etc, run, var = settings.etc, settings.run, settings.var
    port = settings.ports
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
    return {
        **kept,
        "PATH": os.pathsep.join((f"{settings.venv}/bin", *settings.program_folders)),
        "HOME": f"{var}/rabbitmq",  # where Erlang keeps its cookie
        "DEVCLOUD_STATE": str(settings.state),
        "DEVCLOUD_COMPUTE_HOSTS": " ".join(settings.compute_hosts),
        "DEVCLOUD_NETWORK_HOSTS": " ".join(settings.network_hosts),
        "DEVCLOUD_AGENTS_DEAD": f"{var}/agents-dead",
        "OS_KEYSTONE_CONFIG_DIR": f"{etc}/keystone",
        "OS_PLACEMENT_CONFIG_DIR": f"{etc}/placement",
        "OS_GLANCE_CONFIG_DIR": f"{etc}/glance",
        "OS_NOVA_CONFIG_DIR": f"{etc}/nova",
        "OS_NOVA_CONFIG_FILES": "api-paste.ini;nova.conf;nova-db.conf",
        "OS_NEUTRON_CONFIG_DIR": f"{etc}/neutron",
        "OS_NEUTRON_CONFIG_FILES": "neutron.conf;ml2_conf.ini",
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_EPMD_PORT": str(port["epmd"]),
        "RABBITMQ_NODENAME": "devcloud@localhost",
        "RABBITMQ_BASE": f"{var}/rabbitmq",
        "RABBITMQ_MNESIA_BASE": f"{var}/rabbitmq/mnesia",
        "RABBITMQ_LOG_BASE": str(settings.log),
        "RABBITMQ_CONFIG_FILE": f"{etc}/rabbitmq.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{etc}/rabbitmq-plugins",
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_DIST_PORT": str(port["rabbitmq_dist"]),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_PID_FILE": f"{run}/rabbitmq-beam.pid",
    }


def user_name() -> str:
    """Who runs this devcloud."""
    return pwd.getpwuid(os.getuid()).pw_name
