"""The services of a devcloud, as data: what runs, in which order, on which port."""

from functools import partial
from pathlib import Path

from devcloud import machines
from devcloud.groups import parts
from devcloud.service import Service, user_name
from devcloud.settings import Settings

RABBITMQ_SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
"""The script itself: /usr/sbin/rabbitmq-server insists on the system's own user."""


def all_services(settings: Settings) -> list[Service]:
    """Every service there is, each after those it needs."""
    return [
        *base_services(settings),
        *control_services(settings),
        *compute_services(settings),
        *(service for part in parts(settings.groups) for service in part.services(settings)),
    ]


def base_services(settings: Settings) -> list[Service]:
    """Database, message queue and cache: first to start, last to stop."""
    etc, port = settings.etc, {name: str(number) for name, number in settings.ports.items()}
    user = user_name()
    return [
        Service(
            "mariadb",
            ("mariadbd", f"--defaults-file={etc}/mariadb.cnf", f"--user={user}"),
            port="mariadb",
            after=("database files",),
            grace=30,
            in_venv=False,
        ),
        Service(
            "memcached",
            (
                *("memcached", "-l", "127.0.0.1", "-p", port["memcached"], "-U", "0"),
                *("-u", user, "-m", "64", "-c", "4096"),
            ),
            port="memcached",
            in_venv=False,
        ),
        Service(
            "epmd",
            ("epmd", "-address", "127.0.0.1", "-port", port["epmd"]),
            port="epmd",
            in_venv=False,
        ),
        Service(
            "rabbitmq",
            (RABBITMQ_SERVER,),
            port="rabbitmq",
            more_ports=("rabbitmq_tls", "rabbitmq_dist"),
            after=("epmd", "rabbitmq files"),
            grace=30,
            in_venv=False,
        ),
    ]


def control_services(settings: Settings) -> list[Service]:
    """The APIs and what works behind them."""
    etc = settings.etc
    nova = _config(etc / "nova/nova.conf", etc / "nova/nova-db.conf")
    neutron = _config(etc / "neutron/neutron.conf", etc / "neutron/ml2_conf.ini")
    cinder = _config(etc / "cinder/cinder.conf")
    identity, broker = ("catalogue",), ("rabbitmq",)
    return [
        _api(settings, "keystone", "keystone.wsgi.api", ("keystone schema", "memcached")),
        _api(settings, "placement", "placement.wsgi.api", ("placement schema", "keystone")),
        Service("nova-conductor", ("nova-conductor", *nova), after=("nova schema", *broker)),
        _api(
            settings,
            "nova",
            "nova.wsgi.osapi_compute",
            ("nova schema", "keystone", *broker),
            threads=8,
        ),
        _api(
            settings,
            "neutron",
            "neutron.wsgi.api",
            ("neutron schema", "keystone", *broker),
            threads=8,
        ),
        Service(
            "nova-scheduler",
            ("nova-scheduler", *nova),
            after=("nova schema", *identity, *broker),
        ),
        Service("neutron-rpc", ("neutron-rpc-server", *neutron), after=("neutron schema", *broker)),
        Service(
            "neutron-periodic",
            ("neutron-periodic-workers", *neutron),
            after=("neutron schema", *broker),
        ),
        _api(
            settings,
            "glance",
            "glance.wsgi.api",
            ("glance schema", "keystone"),
            options=(
                "--http-chunked-input",
                "--http-raw-body",
                "--wsgi-env-behavior",
                "holy",
            ),
        ),
        _api(
            settings,
            "cinder",
            "cinder.wsgi.api",
            ("cinder schema", "keystone", *broker),
            options=("--pyargv", f"--config-file={etc}/cinder/cinder.conf"),
        ),
        Service(
            "cinder-scheduler", ("cinder-scheduler", *cinder), after=("cinder schema", *broker)
        ),
        Service("cinder-volume", ("cinder-volume", *cinder), after=("cinder schema", *broker)),
    ]


def compute_services(settings: Settings) -> list[Service]:
    """One nova-compute a host, and one process that pretends to be all Neutron agents."""
    etc = settings.etc
    computes = [
        Service(
            compute_service(host),
            (
                "devcloud-nova-compute",
                *_config(etc / "nova/nova.conf", etc / f"nova/{host}.conf"),
            ),
            after=("placement", "catalogue", "nova-conductor"),
            is_off=partial(machines.is_kept_off, settings, host),
        )
        for host in settings.compute_hosts
    ]
    agents = Service(
        "neutron-agents",
        (
            "devcloud-neutron-agents",
            *_config(etc / "neutron/neutron.conf", etc / "neutron/agents.conf"),
        ),
        after=("neutron-rpc",),
    )
    return [*computes, agents]


def compute_service(host: str) -> str:
    """The name of the service that is nova-compute on a host."""
    return f"nova-compute-{host}"


def _api(
    settings: Settings,
    name: str,
    module: str,
    after: tuple[str, ...],
    threads: int = 4,
    options: tuple[str, ...] = (),
) -> Service:
    """An API under uwsgi: one process, a few threads."""
    command = (
        *("uwsgi", "--http-socket", f"127.0.0.1:{settings.ports[name]}"),
        *("--module", f"{module}:application", "--virtualenv", str(settings.venv)),
        *("--master", "--lazy-apps", "--need-app", "--no-orphans", "--die-on-term"),
        *("--processes", "1", "--threads", str(threads), "--enable-threads"),
        *("--buffer-size", "65535", "--so-keepalive", "--listen", "100"),
        *("--add-header", "Connection: close", "--disable-logging"),
        *("--procname-prefix", f"devcloud-{name} "),
        *options,
    )
    service = name if name in ("keystone", "placement") else f"{name}-api"
    return Service(service, command, port=name, is_http=True, after=after)


def _config(*files: Path) -> tuple[str, ...]:
    return tuple(f"--config-file={file}" for file in files)
