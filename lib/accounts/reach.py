"""How a cloud is reached: with which login, and how services are picked from its catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from common.errors import UserError

#: What a cloud is doing before it is asked anything, in sentences.
LOGGING_IN = "logging in"


@dataclass(frozen=True)
class Reach:
    """What an entry of the configuration says, or the entry of clouds.yaml that it points at.

    ``filters`` are, by service, what picks its endpoint otherwise than that of all others.
    ``timeout`` is seconds for a request, None for that of the pack's configuration. ``unused``
    are keys of clouds.yaml that have no meaning for what this pack does.
    """

    auth_type: str
    auth: Mapping[str, Any] = field(repr=False)
    region: str | None = None
    interface: str | list[str] = "public"
    cacert: str | None = None
    certificate: str | tuple[str, str] | None = None
    timeout: float | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def interfaces(self) -> str:
        """The interface, or those that are tried one after the other, for a sentence."""
        return self.interface if isinstance(self.interface, str) else " or ".join(self.interface)

    def endpoint_filter(self, service: str) -> dict[str, Any]:
        """Return what picks the service's endpoint from the catalogue."""
        common = {
            "service_type": service,
            "interface": self.interface,
            "region_name": self.region,
        }
        return {**common, **self.filters.get(service, {})}


def certificate(cert: str | None, key: str | None, where: str) -> str | tuple[str, str] | None:
    """Return a client certificate as requests takes it; raises UserError for a key alone."""
    if key and not cert:
        raise UserError(f"{where}: it has a key for a client certificate and no cert.")
    return (cert, key) if cert and key else cert or None


# What of a login says where to, and the logins that are to one project for good.
_SCOPE = frozenset(
    {
        "project_id",
        "project_name",
        "project_domain_id",
        "project_domain_name",
        "tenant_id",
        "tenant_name",
        "domain_id",
        "domain_name",
        "system_scope",
        "trust_id",
    }
)
_BOUND = {
    "v3applicationcredential": "an application credential is for one project alone",
    "none": "it has no login",
    "admin_token": "it has no login",
    "http_basic": "it has no login",
}


def scoped(reach: Reach, project: str, where: str) -> Reach:
    """Return how the same cloud is reached with a login to a project, by its id.

    Raises UserError if the login cannot be to another project than its own.
    """
    if why := _BOUND.get(reach.auth_type):
        raise UserError(
            f"{where}: its auth_type {reach.auth_type} cannot log in to project {project}: {why}.",
            advice="Give the cloud an account with a password, or run this with an entry of the "
            "configuration that is for that project.",
        )
    kept = {key: value for key, value in reach.auth.items() if key not in _SCOPE}
    return replace(reach, auth={**kept, "project_id": project})
