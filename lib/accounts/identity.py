"""What tells a cloud from another one that is called the same in the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from common.text import clean

if TYPE_CHECKING:
    from accounts.cloud import Cloud

#: The parts of an identity, as they are stored with a plan.
KEYSTONE, SCOPE = "keystone", "scope"


def identity(cloud: Cloud, *, logged_in: bool) -> dict[str, str]:
    """Return the address of its Keystone and, once there is a login, what that is to.

    The scope is the id of the project, or of the user where the login is to none.
    """
    auth = cloud.reach.auth
    address = str(auth.get("auth_url") or auth.get("endpoint") or "")
    found = {KEYSTONE: clean(address.rstrip("/").removesuffix("/v3"))}
    access = cloud.access() if logged_in else None
    scope = access and (access.project_id or access.user_id)
    return found | ({SCOPE: clean(scope)} if scope else {})


def is_another(before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Return whether these are of two clouds: Keystones move, and accounts are replaced, but a
    cloud of which both are others is another one."""
    if before.get(KEYSTONE) == now.get(KEYSTONE):
        return False
    return SCOPE not in before or before[SCOPE] != now.get(SCOPE)
