"""A cloud: one entry of the configuration and its one session. Below both lanes to a cloud."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from accounts.addresses import check_address
from accounts.config import CloudEntry, PackConfig
from workflow_api.errors import CloudError, RunbookError, UserError
from workflow_api.text import clean
from workflow_api.version import VERSION

if TYPE_CHECKING:
    from accounts.session import TracedSession

Shared = TypeVar("Shared")
# The version of the API that is asked for: a catalogue's address ends in it, or does not.
_VERSIONS = {"identity": "v3", "image": "v2", "network": "v2.0"}
# What requests itself keeps open of connections to a host, and how many bytes a MiB has.
_CONNECTIONS, _MIB = 10, 1024 * 1024
_VERSIONED = re.compile(r"/v\d+(\.\d+)?/?$")


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
        self._bases: dict[str, str | None] = {}
        self._lock = threading.RLock()

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
    def region(self) -> str | None:
        """The region of the entry; None if the cloud has only one."""
        return self.entry.region_name or self._stored.get("region_name")

    def shared(self, make: Callable[[Cloud], Shared]) -> Shared:
        """Return the one object that ``make(cloud)`` makes for this cloud in this process."""
        with self._lock:
            if make not in self._shared:
                self._shared[make] = make(self)
            found: Shared = self._shared[make]
            return found

    def get(
        self,
        service: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
    ) -> bytes:
        """Return the body of a GET on a service of the catalogue.

        Raises CloudError with what the cloud said. ``params`` with value None are left out.
        """
        sent = {name: value for name, value in (params or {}).items() if value is not None}
        with self.errors(f"asking {service} for {path.partition('?')[0]}"):
            answer = self.session.get(
                self._path(service, path),
                params=sent,
                endpoint_filter=self.endpoint_filter(service),
                endpoint_override=self.entry.endpoint_override.get(service),
                microversion=microversion,
                headers={"Accept": "application/json"},
            )
            body: bytes = answer.content
            return body

    def _path(self, service: str, path: str) -> str:
        """Return the path below the service's address, which may name the API's version."""
        version = _VERSIONS.get(service)
        if version is None:
            return path
        if service not in self._bases:
            found = self.entry.endpoint_override.get(service)
            self._bases[service] = found or self.session.get_endpoint(
                **self.endpoint_filter(service)
            )
        bare = path.removeprefix(f"/{version}")
        named = _VERSIONED.search(self._bases[service] or "")
        return bare if named else f"/{version}{bare}"

    def log_in(self) -> None:
        """Log in, if this has not been done: a request does so itself. Raises as :meth:`get`."""
        with self.errors("logging in"):
            self.session.get_token()

    def confined_to(self) -> str | None:
        """Return the domain that the account is logged in to; None if it is to a project, or all.

        Keystone shows such an account what is in this domain. Raises as :meth:`get`.
        """
        with self.errors("logging in"):
            access = self.session.auth.get_access(self.session)
        return (access.domain_name or access.domain_id) if access.domain_scoped else None

    def supports(self, service: str, microversion: str) -> bool:
        """Return whether the service knows a microversion; asks its version document once."""
        found = self.endpoint(service)
        top = found.max_microversion if found else None
        return top is not None and tuple(top) >= tuple(map(int, microversion.split(".")))

    def endpoint(self, service: str) -> Any:
        """Return keystoneauth's EndpointData of a service, None if the catalogue has none."""
        from keystoneauth1.exceptions import EndpointNotFound

        with self._lock, self.errors(f"asking {service} for its versions"):
            try:
                return self.session.get_endpoint_data(
                    **self.endpoint_filter(service),
                    endpoint_override=self.entry.endpoint_override.get(service),
                )
            except EndpointNotFound:
                return None

    def endpoint_filter(self, service: str) -> dict[str, Any]:
        """Return what picks the service's endpoint from the catalogue."""
        return {
            "service_type": service,
            "interface": self.entry.interface,
            "region_name": self.region,
        }

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

    def _opened(self) -> TracedSession:
        from accounts.session import TracedSession

        auth, verify = self._credentials()
        self._check_addresses(auth)
        if isinstance(verify, str) and not os.path.exists(verify):
            raise UserError(f"Cloud {self.name!r}: there is no file {verify}, which cacert names.")
        limits = self.config.limits
        return TracedSession(
            auth=auth,
            verify=verify,
            seconds=float(limits.timeouts.request),
            most=limits.answer_mib * _MIB,
            wait=lambda seconds: self.wait(seconds),
            connections=max(_CONNECTIONS, limits.parallel_requests),
            additional_user_agent=[("openstack_ops", VERSION)],
        )

    def _check_addresses(self, auth: Any) -> None:
        where = f"Cloud {self.name!r}:"
        for key in ("auth_url", "endpoint"):  # an endpoint is all that some plugins know
            if getattr(auth, key, None) is not None:
                check_address(getattr(auth, key), f"{where} {key}")
        for service, address in self.entry.endpoint_override.items():
            check_address(address, f"{where} endpoint_override.{service}")

    @cached_property
    def _stored(self) -> dict[str, Any]:
        """What the clouds.yaml entry says, if this one points at one."""
        if not self.entry.clouds_yaml:
            return {}
        return self._region.config  # type: ignore[no-any-return]

    @cached_property
    def _region(self) -> Any:
        # The SDK's loader knows secure.yaml, profiles and vendors; it costs its whole import.
        from openstack.config import OpenStackConfig
        from openstack.exceptions import ConfigException

        try:
            return OpenStackConfig(load_envvars=False).get_one(
                cloud=self.entry.clouds_yaml, region_name=self.entry.region_name
            )
        except ConfigException as error:
            raise UserError(f"Cloud {self.name!r}: clouds.yaml: {error}.") from None

    def _credentials(self) -> tuple[Any, bool | str]:
        if self.entry.clouds_yaml:
            verify, _certificate = self._region.get_requests_verify_args()
            if verify is False:
                raise UserError(
                    f"Cloud {self.name!r}: clouds.yaml turns verification off for it.",
                    advice="Name the certificate authority's file in cacert instead.",
                )
            return self._region.get_auth(), verify
        return self._plugin(), self.entry.cacert or True

    def _plugin(self) -> Any:
        from keystoneauth1 import exceptions, loading

        try:
            loader = loading.get_plugin_loader(self.entry.auth_type)
            known = {option.dest for option in loader.get_options()}
            auth = {key.replace("-", "_"): value for key, value in self.entry.auth.items()}
            unknown = sorted(auth.keys() - known)
            if unknown:
                raise UserError(
                    f"Cloud {self.name!r}: auth has keys that {self.entry.auth_type} does not "
                    f"know: {', '.join(unknown)}.",
                    advice=f"It knows {', '.join(sorted(known))}.",
                )
            empty = sorted(key for key, value in auth.items() if value in (None, ""))
            if empty:
                raise UserError(
                    f"Cloud {self.name!r}: auth has no value for {', '.join(empty)}.",
                    advice="A key of the datastore that does not exist is read as nothing: see "
                    "st2 key list --scope system.",
                )
            return loader.load_from_options(**auth)
        except exceptions.NoMatchingPlugin:
            raise UserError(
                f"Cloud {self.name!r}: there is no auth_type {self.entry.auth_type!r}.",
                advice="Use password, token, v3applicationcredential or another of keystoneauth's.",
            ) from None
        except exceptions.MissingRequiredOptions as missing:
            options = ", ".join(option.dest for option in missing.options)
            raise UserError(f"Cloud {self.name!r}: auth lacks {options}.") from None
        except exceptions.OptionError as error:  # as a user name without its domain
            raise UserError(f"Cloud {self.name!r}: auth: {clean(error).rstrip('.')}.") from None


def not_there(error: CloudError) -> bool:
    """Return whether the cloud's answer was that there is no such thing."""
    return error.status == 404
