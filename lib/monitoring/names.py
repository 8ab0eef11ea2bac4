"""What a hypervisor is called in monitoring: its host in Icinga, and which alerts are about it."""

from __future__ import annotations

import re

import msgspec

from accounts.config import PackConfig
from alertmanager_api.matchers import Matcher, parse, written


def in_icinga(config: PackConfig, host: str) -> str:
    """Return what Icinga calls a hypervisor, by the name that OpenStack has for it."""
    return _filled(config.monitoring.icinga_host, host)


def in_alertmanager(config: PackConfig, host: str) -> str:
    """Return the matchers that the alerts about a hypervisor pass, as one text.

    The name goes into values that were read before, so it is data there, and in a pattern it stands
    for itself. Raises UserError if the configuration has what are no matchers.
    """
    return written(_about(one, host) for one in parse(config.monitoring.alertmanager_matchers))


def _about(matcher: Matcher, host: str) -> Matcher:
    quoted = re.escape(host) if matcher.is_regex else host
    return msgspec.structs.replace(matcher, value=_filled(matcher.value, quoted))


def _filled(template: str, host: str) -> str:
    """Return a template with the name (``{host}``), or what of it stands before the domain."""
    short = re.split(r"\\?\.", host, maxsplit=1)[0]
    known = {"{host}": host, "{short}": short}
    return re.sub(r"\{(?:host|short)\}", lambda found: known[found[0]], template)
