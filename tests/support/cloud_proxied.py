"""A cloud behind the recording proxy: every endpoint of its catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import os_service_types
from openstack.connection import Connection

from support.cloud_operator import Operator
from support.proxy import CloudProxy


@dataclass(frozen=True)
class Proxied:
    """A proxy in front of every endpoint, and an operator who knows no other way."""

    proxy: CloudProxy
    operator: Operator


def endpoints(sdk: Connection) -> dict[str, str]:
    """Return the origin of every endpoint in the catalogue, by its service's official type.

    A service that stands in the catalogue twice (``block-storage`` and ``volumev3``) has one
    origin. Keystone lists services by their ids, so which type comes first is chance.
    """
    catalogue = sdk.session.auth.get_access(sdk.session).service_catalog.catalog
    official = os_service_types.ServiceTypes().is_official
    by_origin: dict[str, str] = {}
    for entry in sorted(catalogue, key=lambda entry: not official(entry["type"])):
        for endpoint in entry["endpoints"]:
            url = urlsplit(endpoint["url"])
            by_origin.setdefault(f"{url.scheme}://{url.netloc}", entry["type"])
    return {service: origin for origin, service in by_origin.items()}


def behind(proxy: CloudProxy, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration whose cloud is reached through the proxy."""
    (entry,) = config["clouds"]
    auth = {**entry["auth"], "auth_url": f"{proxy.url('identity')}/v3"}
    return {**config, "clouds": [{**entry, "auth": auth}]}
