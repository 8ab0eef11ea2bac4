"""A cloud's catalogue: which region of it is meant, and where each service's API is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from accounts.services import VERSIONS, major, named_version
from common.errors import NotFound, UserError
from common.text import clean, listed, near

if TYPE_CHECKING:
    from keystoneauth1.access import AccessInfo
    from keystoneauth1.discover import EndpointData

    from accounts.cloud import Cloud

# keystoneauth fills it in when it sends, so it cannot be asked for versions before.
_FILLED_IN = re.compile(r"%\((\w+)\)s")
_FILLERS = {"project_id", "user_id"}


def region(cloud: Cloud) -> str | None:
    """Return the region that is configured, or the only one; None if the catalogue names none.

    Raises NotFound for one that is not there, UserError if there are several and none is meant:
    compute would be asked in one of them and network, it may be, in another.
    """
    access, reach = cloud.access(), cloud.reach
    if access is None:
        return reach.region
    if reach.region:
        there = regions(access)
        if there and reach.region not in there:
            raise NotFound(
                "region",
                reach.region,
                where=f"the catalogue of cloud {cloud.name}",
                near=near(reach.region, there) or there,
            )
        return reach.region
    offered = sorted(
        {
            name
            for service in VERSIONS.keys() - reach.overrides.keys()
            if not (wanted := reach.endpoint_filter(service))["region_name"]
            for name in regions(access, service=wanted["service_type"], interface=reach.interface)
        }
    )
    if len(offered) > 1:
        raise UserError(
            f"Cloud {cloud.name!r}: its catalogue has several regions ({listed(offered)}) and "
            "region_name names none of them.",
            advice="Set region_name of this cloud; make an entry for each region.",
        )
    return offered[0] if offered else None


def regions(access: AccessInfo, service: str | None = None, interface: Any = None) -> list[str]:
    """Return the regions of a catalogue, or those in which it has a service."""
    found = access.service_catalog.get_endpoints_data(service_type=service, interface=interface)
    names = {endpoint.region_name for endpoints in found.values() for endpoint in endpoints}
    return sorted(clean(name) for name in names if name)


def address(cloud: Cloud, service: str) -> str:
    """Return where a service's API is: it names the version wherever this service's does.

    Raises keystoneauth's EndpointNotFound if the catalogue has no such service, and UserError
    for an address of another version of the API.
    """
    given, version = _given(cloud, service), VERSIONS.get(service, "")
    if odd := sorted(set(_FILLED_IN.findall(given)) - _FILLERS):
        raise UserError(
            f"Cloud {cloud.name!r}: the address of {service}, {clean(given)}, has "
            f"{listed(f'%({name})s' for name in odd)}, which stands for nothing.",
            advice=f"Write %(project_id)s or %(user_id)s, or name the address in "
            f"endpoint_override of {service}.",
        )
    if not version or _FILLED_IN.search(given) or named_version(given) == major(version):
        return given
    found = _discovered(cloud, service, given, version)
    if found:
        return found
    if named_version(given) is None:
        return f"{given.rstrip('/')}/{version}"
    raise UserError(
        f"Cloud {cloud.name!r}: the address of {service}, {clean(given)}, is that of another "
        f"version of its API, and {version} is not found beside it.",
        advice=f"Correct the catalogue, or name the address in endpoint_override of {service}.",
    )


def has(cloud: Cloud, service: str) -> bool:
    """Return whether the configuration or the catalogue has an address of a service."""
    from keystoneauth1.exceptions import EndpointNotFound

    try:
        return bool(_given(cloud, service))
    except EndpointNotFound:
        return False


def as_override(address: str) -> str:
    """Return an address as keystoneauth takes it, which fills in what stands behind a ``%``."""
    return address if _FILLED_IN.search(address) else address.replace("%", "%%")


def described(cloud: Cloud, service: str, where: str) -> EndpointData:
    """Return the versions and microversions that the service at an address tells, if it does."""
    from keystoneauth1 import discover, exceptions

    plain = discover.EndpointData(catalog_url=where, service_type=service)
    try:
        return plain.get_versioned_data(cloud.session, project_id=cloud.session.get_project_id())
    except (exceptions.DiscoveryFailure, exceptions.HttpError, exceptions.ConnectionError):
        return plain


def _given(cloud: Cloud, service: str) -> str:
    """Return the address that the configuration or the catalogue has."""
    from keystoneauth1.exceptions import EndpointNotFound

    if override := cloud.reach.overrides.get(service):
        return override
    found = cloud.session.get_endpoint(skip_discovery=True, **cloud.endpoint_filter(service))
    if not found:
        raise EndpointNotFound
    return str(found)


def _discovered(cloud: Cloud, service: str, given: str, version: str) -> str | None:
    """Return the address that the service's version document names, None if it names none.

    keystoneauth keeps the host that it asked: behind a proxy that ends TLS a service knows only its
    inner address, and no document leads the token to another host.
    """
    from keystoneauth1 import discover, exceptions

    number = major(version)
    try:
        data = discover.EndpointData(catalog_url=given, service_type=service).get_versioned_data(
            cloud.session,
            project_id=cloud.session.get_project_id(),
            discover_versions=False,
            min_version=(number, 0),
            max_version=(number, discover.LATEST),
        )
    except (exceptions.DiscoveryFailure, exceptions.HttpError, exceptions.ConnectionError):
        return None
    found = str(data.url or "")
    return found if named_version(found) == number else None
