"""A cloud: one entry of the configuration and its one session. Below both lanes to a cloud."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from accounts import catalogue, read_cache
from accounts.config import CloudEntry, PackConfig
from accounts.entries import of_entry
from accounts.identity import identity
from accounts.reach import LOGGING_IN, Reach
from accounts.services import VERSIONS
from common.errors import CloudError, RunbookError, UserError
from common.text import clean
from common.version import VERSION

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfo
    from keystoneauth1.discover import EndpointData

    from accounts.session import TracedSession

Shared = TypeVar("Shared")
# What requests itself keeps open of connections to a host, and how many bytes a MiB has.
_CONNECTIONS, _MIB = 10, 1024 * 1024


class Cloud:
    """One region of one cloud, logged in to once, when it is first asked something."""

    account_kind = "cloud"

    def __init__(self, entry: CloudEntry, config: PackConfig) -> None:
        self.entry, self.config = entry, config
        self.name = entry.name
        #: How to sleep, as ``time.sleep``; what carries out a run replaces it by what ends at a
        #: stop, and so ends every wait for this cloud. It is called with 0 to see whether to go on.
        self.wait: Callable[[float], None] = time.sleep
        self._shared: dict[Any, Any] = {}
        self._addresses: dict[str, str] = {}
        self._lock = threading.RLock()
        # A service that keeps one waiting for its versions keeps nobody from the others.
        self._asking: dict[str, threading.RLock] = {}

    def __repr__(self) -> str:
        return f"<Cloud {self.name}>"

    @classmethod
    def from_config(cls, config: PackConfig, name: str | None) -> Cloud:
        """Return the cloud that the configuration calls ``name``, or its default one."""
        return cls(config.cloud(name), config)

    @property
    def session(self) -> TracedSession:
        """The session, with the entry's credentials; raises UserError if they are not whole."""
        # Not a cached_property: since Python 3.12 that lets two threads make one each.
        return self.shared(Cloud._opened)

    @property
    def reach(self) -> Reach:
        """How the cloud is reached; raises UserError if its entry cannot be right."""
        return self.shared(Cloud._read)

    @property
    def region(self) -> str | None:
        """The region in whose services everything happens; None if the catalogue names none.

        Logs in; raises UserError if there are several and none is configured, NotFound if the
        configured one is not in the catalogue, else as :meth:`get`.
        """
        return self.shared(catalogue.region)

    @property
    def request_timeout(self) -> float:
        """How long one request may take, in seconds."""
        return self.reach.timeout or float(self.config.limits.timeouts.request)

    @property
    def shown(self) -> str:
        """The cloud and its region, as far as it is known without a login, for a sentence."""
        with self._lock:
            region = self._shared.get(catalogue.region) or self.reach.region
        return f"cloud {self.name}" + (f", region {clean(region)}" if region else "")

    @property
    def identity(self) -> dict[str, str]:
        """What tells it from another cloud of its name, as far as it is known without a login."""
        with self._lock:
            located = catalogue.region in self._shared
        return identity(self, logged_in=located)

    def locate(self) -> None:
        """Find out what :attr:`shown` and :attr:`identity` tell.

        Logs in and raises as :attr:`region`.
        """
        _ = self.region

    def shared(self, make: Callable[[Cloud], Shared]) -> Shared:
        """Return the one object that ``make(cloud)`` makes for this cloud in this process."""
        with self._lock:
            if make not in self._shared:
                self._shared[make] = make(self)
            found: Shared = self._shared[make]
            return found

    def in_project(self, project: str) -> Cloud:
        """Return this cloud as its account is logged in to another project, by the project's id.

        It is one login more, when it is first asked something, which fails if the account has no
        role there. Raises UserError for a login that is bound to its own project.
        """
        with self._lock:
            known: dict[str, Cloud] = self._shared.setdefault("projects", {})
            if project not in known:
                known[project] = self._scoped(project)
            return known[project]

    def _scoped(self, project: str) -> Cloud:
        from accounts.reach import scoped

        other = Cloud(self.entry, self.config)
        other._shared[Cloud._read] = scoped(self.reach, project, f"Cloud {self.name!r}")
        other.wait = lambda seconds: self.wait(seconds)
        return other

    def get(
        self,
        service: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
    ) -> bytes:
        """Return the body of a GET on a service of the catalogue.

        Raises CloudError with what the cloud said. ``params`` with value None are left out. While
        this thread shares reads (``accounts.read_cache``), what was read is not read again.
        """
        sent = {name: value for name, value in (params or {}).items() if value is not None}
        reads = read_cache.current()
        body = reads.get(self, service, path, sent, microversion) if reads else None
        if body is None:
            body = self._answer("GET", service, path, params=sent, microversion=microversion)
            if reads:
                reads.keep(self, service, path, sent, microversion, body)
        return body

    def ask(
        self, service: str, path: str, body: Mapping[str, Any], *, microversion: str | None = None
    ) -> bytes:
        """Return the body of the answer to a question that the service takes as a POST.

        Only for what changes nothing: it is sent from anywhere, and repeated as a GET is. Raises
        as :meth:`get`.
        """
        return self._answer("POST", service, path, json=body, microversion=microversion, reads=True)

    def _answer(self, method: str, service: str, path: str, **how: Any) -> bytes:
        with self.errors(f"asking {service} for {path.partition('?')[0]}"):
            answer = self.session.request(
                self._path(service, path),
                method,
                endpoint_filter=self.endpoint_filter(service),
                endpoint_override=catalogue.as_override(self._located(service)),
                headers={"Accept": "application/json"},
                **how,
            )
            body: bytes = answer.content
            return body

    def _path(self, service: str, path: str) -> str:
        """Return the path below the service's address, which names the API's version."""
        version = VERSIONS.get(service)
        return path.removeprefix(f"/{version}") if version else path

    def address(self, service: str) -> str:
        """Return where the service's API is, with its version: as configured, or as found.

        What the configuration or the catalogue says is taken as it is if it names the version;
        else the service is asked once for its versions. Raises as :meth:`get`.
        """
        with self.errors(f"asking {service} for its versions"):
            return self._located(service)

    def _lock_of(self, service: str) -> threading.RLock:
        with self._lock:
            return self._asking.setdefault(service, threading.RLock())

    def _located(self, service: str) -> str:
        with self._lock_of(service):
            if service not in self._addresses:
                self._addresses[service] = catalogue.address(self, service)
            return self._addresses[service]

    def log_in(self) -> None:
        """Log in, if this has not been done: a request does so itself. Raises as :meth:`get`."""
        with self.errors(LOGGING_IN):
            self.session.get_token()

    def access(self) -> AccessInfo | None:
        """Return what the login has given, None for an auth_type that logs in nowhere.

        Raises as :meth:`get`.
        """
        with self.errors(LOGGING_IN):
            ask = getattr(self.session.auth, "get_access", None)
            with self.session.logging_in():
                found: AccessInfo | None = ask(self.session) if ask else None
            return found

    def own_project(self) -> str:
        """Return the id of the project that the account is logged in to.

        Raises UserError if it is logged in to none, else as :meth:`get`.
        """
        access = self.access()
        if access is None or not access.project_id:
            raise UserError(f"Cloud {self.name} is not logged in to a project: name one.")
        return str(access.project_id)

    def confined_to(self) -> str | None:
        """Return the domain that the account is logged in to; None if it is to a project, or all.

        Keystone shows such an account what is in this domain. Raises as :meth:`get`.
        """
        access = self.access()
        if access is None or not access.domain_scoped:
            return None
        found: str | None = access.domain_name or access.domain_id
        return found

    def supports(self, service: str, microversion: str) -> bool:
        """Return whether the service knows a microversion; asks its version document once."""
        found = self.endpoint(service)
        top = found.max_microversion if found else None
        return top is not None and tuple(top) >= tuple(map(int, microversion.split(".")))

    def has(self, service: str) -> bool:
        """Return whether a service is configured or in the catalogue; it is not asked itself.

        Logs in; raises as :meth:`get`.
        """
        with self.errors(LOGGING_IN):
            return catalogue.has(self, service)

    def endpoint(self, service: str) -> EndpointData | None:
        """Return keystoneauth's EndpointData of a service, None if the catalogue has none."""
        from keystoneauth1.exceptions import EndpointNotFound

        with self._lock_of(service), self.errors(f"asking {service} for its versions"):
            try:
                return catalogue.described(self, service, self._located(service))
            except EndpointNotFound:
                return None

    def endpoint_filter(self, service: str) -> dict[str, Any]:
        """Return what picks the service's endpoint from the catalogue; raises as :attr:`region`."""
        _ = self.region  # an account that can be in two regions is asked nothing
        return self.reach.endpoint_filter(service)

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn what keystoneauth raises in the block into a CloudError or UserError."""
        try:
            yield
        except RunbookError:
            raise
        except Exception as error:
            from accounts.cloud_errors import translated

            told = translated(error, self, doing)
            if told is None:
                raise
            raise told from None

    def _read(self) -> Reach:
        return of_entry(self.entry)

    def _opened(self) -> TracedSession:
        from accounts.credentials import plugin
        from accounts.session import TracedSession

        reach, limits = self.reach, self.config.limits
        auth = plugin(reach.auth_type, reach.auth, f"Cloud {self.name!r}")
        self._check_addresses(auth)
        return TracedSession(
            auth=auth,
            verify=reach.cacert or True,
            cert=reach.certificate,
            seconds=self.request_timeout,
            most=limits.answer_mib * _MIB,
            wait=lambda seconds: self.wait(seconds),
            connections=max(_CONNECTIONS, limits.parallel_requests),
            additional_user_agent=[("openstack_ops", VERSION)],
        )

    def _check_addresses(self, auth: Any) -> None:
        from accounts.addresses import check_address

        where = f"Cloud {self.name!r}:"
        for key in ("auth_url", "endpoint"):  # an endpoint is all that some plugins know
            if getattr(auth, key, None) is not None:
                check_address(getattr(auth, key), f"{where} {key}")
        for service, address in self.reach.overrides.items():
            check_address(address, f"{where} endpoint_override.{service}")


def not_there(error: CloudError) -> bool:
    """Return whether the cloud's answer was that there is no such thing."""
    return error.status == 404
