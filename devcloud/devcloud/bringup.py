"""Bringing a devcloud up: everything that is not yet so is made so, side by side where it can."""

import threading
from collections.abc import Callable
from functools import partial

from devcloud import waiting
from devcloud.broker import make_certificates
from devcloud.catalogue import has_volume_pools, lift_limits, make_catalogue
from devcloud.configuration import write_configuration
from devcloud.databases import (
    make_database_files,
    make_databases,
    make_schema,
    schemas,
)
from devcloud.errors import DevcloudError
from devcloud.groups import parts
from devcloud.packages import (
    install_system_packages,
    make_virtualenv,
    needs_rebuild,
    unpack_programs,
)
from devcloud.ports import is_held, refusal
from devcloud.progress import Say
from devcloud.reports import last_reports, reporting_services
from devcloud.services import (
    Service,
    all_services,
    compute_services,
)
from devcloud.settings import Settings, remember
from devcloud.steps import GivenUp, Step, run_steps

START_LIMIT = 120
"""Seconds a service may take until it answers."""


class ServiceFailed(DevcloudError):
    """A service ended, or did not answer in time; the message shows the end of its log."""

    def __init__(self, service: Service, settings: Settings, what: str) -> None:
        process = service.process(settings)
        super().__init__(
            f"{service.name} {what}; the end of {process.log_file}:\n{process.last_words()}"
        )


def bring_up(settings: Settings, say: Say) -> int:
    """Start whatever does not run and is to; answers how many services were started."""
    dead = [
        service
        for service in all_services(settings)
        if not service.process(settings).pid() and not service.is_off()
    ]
    refuse_held_ports(settings, dead)
    _refuse_to_replace_running_packages(settings, dead)
    remember(settings)
    settings.log.mkdir(exist_ok=True)
    install_system_packages(settings, say)
    unpack_programs(settings, say)
    make_virtualenv(settings, say)
    write_configuration(settings)
    Bringup(settings, say, dead).run()
    return len(dead)


def refuse_held_ports(settings: Settings, services: list[Service]) -> None:
    """Refuse, all at once, the ports that something else holds."""
    refusals = [
        refusal(name, settings.ports[name], service.name)
        for service in services
        for name in service.ports
        if is_held(settings.ports[name], service.address)
        and not service.process(settings).members()
    ]
    if refusals:
        raise DevcloudError("\n".join(refusals))


def _refuse_to_replace_running_packages(settings: Settings, dead: list[Service]) -> None:
    from_virtualenv = {service.name for service in all_services(settings) if service.in_venv}
    if from_virtualenv - {service.name for service in dead} and needs_rebuild(settings):
        raise DevcloudError(
            "the packages of this devcloud are out of date, and it is running: devcloud/down first"
        )


class Bringup:
    """One attempt to have all services run and ready."""

    def __init__(self, settings: Settings, say: Say, dead: list[Service]) -> None:
        self._settings, self._say = settings, say
        self._dead = {service.name for service in dead}
        self._given_up = threading.Event()
        self._marks: dict[str, str] = {}

    def run(self) -> None:
        settings = self._settings
        steps = [
            Step("database files", partial(make_database_files, settings)),
            Step("rabbitmq files", partial(make_certificates, settings)),
            Step("databases", partial(make_databases, settings), after=("mariadb",)),
            Step("catalogue", partial(make_catalogue, settings), after=("keystone",)),
            *self._schema_steps(),
            *(
                Step(f"{part.name} files", partial(part.prepare, settings))
                for part in parts(settings.groups)
            ),
            Step("marks", self._note_reports, after=("nova schema", "neutron schema")),
            *(self._service_step(service) for service in all_services(settings)),
            *(
                Step(
                    f"{service.name} report",
                    partial(self._wait_for_report, service),
                    (service.name,),
                )
                for service in compute_services(settings)
            ),
            Step(
                "limits",
                partial(lift_limits, settings),
                after=("catalogue", "nova-api", "neutron-api", "cinder-api"),
            ),
            Step(
                "volume pools",
                self._wait_for_pools,
                after=("catalogue", "cinder-api", "cinder-scheduler", "cinder-volume"),
            ),
        ]
        run_steps(steps, self._given_up)

    def _schema_steps(self) -> list[Step]:
        return [
            Step(
                f"{schema.name} schema",
                partial(make_schema, self._settings, schema),
                after=("databases",),
            )
            for schema in schemas(self._settings)
        ]

    def _service_step(self, service: Service) -> Step:
        reports = service.name in reporting_services(self._settings)
        after = (*service.after, "marks") if reports else service.after
        return Step(service.name, partial(self._have_running, service), after)

    def _have_running(self, service: Service) -> None:
        process = service.process(self._settings)
        if not process.pid():
            if service.is_off():
                return
            service.start(self._settings)
        self._wait_until_ready(service)
        if service.port and service.name in self._dead:
            self._say(f"{service.name} is up on port {self._settings.ports[service.port]}")

    def _wait_until_ready(self, service: Service) -> None:
        if not service.port:
            return
        port = self._settings.ports[service.port]

        def is_ready() -> bool:
            if service.is_http:
                return waiting.answers(port)
            return waiting.accepts(port, service.address) or service.may_be_silent()

        self._wait(service, is_ready, "does not answer")

    def _wait(self, service: Service, is_so: Callable[[], bool], otherwise: str) -> None:
        """Wait, as long as the service is alive and nothing else has failed."""

        def is_so_or_hopeless() -> bool:
            if is_so():
                return True
            if not service.process(self._settings).pid():
                raise ServiceFailed(service, self._settings, "has ended")
            if self._given_up.is_set():
                raise GivenUp
            return False

        try:
            waiting.until(is_so_or_hopeless, START_LIMIT)
        except waiting.TimedOut as error:
            raise ServiceFailed(service, self._settings, f"{otherwise} ({error})") from error

    def _note_reports(self) -> None:
        """The marks so far: a service that is started now must leave a new one."""
        if self._dead & reporting_services(self._settings):
            self._marks = last_reports(self._settings)

    def _wait_for_report(self, service: Service) -> None:
        """Wait until a service that was started has told the others that it is alive."""
        if service.name not in self._dead:
            return

        def has_reported() -> bool:
            mark = last_reports(self._settings).get(service.name)
            return mark not in (None, self._marks.get(service.name))

        self._wait(service, has_reported, "does not report to the others")
        self._say(f"{service.name} reports")

    def _wait_for_pools(self) -> None:
        """Wait until the scheduler knows where volumes may go; until then it refuses each one."""
        if not self._dead & {"cinder-scheduler", "cinder-volume"}:
            return
        volume_service = next(s for s in all_services(self._settings) if s.name == "cinder-volume")
        self._wait(volume_service, partial(has_volume_pools, self._settings), "offers no pool")
        self._say("cinder-volume reports")
