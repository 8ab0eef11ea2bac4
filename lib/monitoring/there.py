"""Whether an Icinga has a host or a service, and what may be meant instead."""

from __future__ import annotations

from accounts.icinga import Icinga
from icinga_api import watched
from icinga_api.watched import Wanted, Watched
from workflow_api import NotFound, clean, near


def there(icinga: Icinga, host: str, service: str = "") -> Watched:
    """Return a host of an Icinga, or a service of it; raises NotFound, with near names."""
    where = f"Icinga {icinga.name}"
    found = watched.hosts(icinga, Wanted(hosts=(host,)))
    if not found:
        known = [one.host for one in watched.hosts(icinga)]
        raise NotFound("host", clean(host), where=where, near=near(host, known))
    if not service:
        return found[0]
    theirs = watched.services(icinga, Wanted(hosts=(host,)))
    named = next((one for one in theirs if one.service == service), None)
    if named is None:
        what, names = f"service of {clean(host)}", [one.service or "" for one in theirs]
        raise NotFound(what, clean(service), where=where, near=near(service, names))
    return named
