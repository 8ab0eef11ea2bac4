"""The resources by name. Only the module that a resource stands in is imported."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from common.errors import NotFound
from common.text import near
from query_api.language.schema import Resource

# The resources by the module of this package that they stand in.
MODULES: dict[str, tuple[str, ...]] = {
    "server": ("server",),
    "flavor": ("flavor",),
    "compute": (
        "compute_service",
        "aggregate",
        "availability_zone",
        "server_group",
        "keypair",
    ),
    "hypervisor": ("hypervisor",),
    "server_history": ("migration", "server_action"),
    "placement": ("resource_provider", "allocation"),
    "quota": ("quota",),
    "identity": ("domain", "project", "user", "group", "role"),
    "role_assignment": ("role_assignment", "effective_role_assignment"),
    "image": ("image",),
    "network": ("network", "subnet", "port"),
    "router": ("router", "floating_ip", "network_agent"),
    "security_group": ("security_group", "security_group_rule", "rbac_policy"),
    "volume": ("volume", "volume_snapshot", "volume_type", "volume_service"),
}
_MODULE_OF = {name: module for module, names in MODULES.items() for name in names}


def names() -> list[str]:
    """Return the names of all resources, in the order in which they are documented."""
    return list(_MODULE_OF)


@cache
def resource(name: str) -> Resource:
    """Return a resource by its singular or plural name. Raises NotFound with near names."""
    singular = name if name in _MODULE_OF else _singular(name)
    if singular not in _MODULE_OF:
        raise NotFound("resource", name, where="a cloud", near=near(name, names()) or names())
    module = import_module(f"query_api.resources.{_MODULE_OF[singular]}")
    found: Resource = module.RESOURCES[singular]
    return found


def _singular(name: str) -> str:
    for ending, instead in (("ies", "y"), ("s", "")):
        singular = name.removesuffix(ending) + instead
        if name.endswith(ending) and singular in _MODULE_OF:
            return singular
    return name
