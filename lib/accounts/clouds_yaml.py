"""An entry of clouds.yaml: each of its keys is obeyed, or refused by its name.

The SDK's own loader reads it, with secure.yaml, profiles and vendors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from accounts import services
from accounts.config import CloudEntry
from accounts.reach import Reach, certificate
from common.errors import NotFound, UserError
from common.files import read_regular
from common.text import clean, listed, near

OBEYED = frozenset(
    {
        *("auth", "auth_type", "region_name", "regions", "profile", "interface"),
        *("cacert", "cert", "key", "verify", "insecure", "api_timeout"),
    }
)
# About things that the SDK makes in its own way and this pack does not make, or that it tells
# people: nothing that is sent depends on them.
WITHOUT_MEANING = frozenset(
    {
        *("networks", "external_network", "internal_network", "requires_floating_ip"),
        *("floating_ip_source", "secgroup_source", "nat_source", "force_ipv4", "prefer_ipv6"),
        *("image_api_use_tasks", "image_format", "disable_vendor_agent", "message", "status"),
        *("metrics", "cache", "timing"),
    }
)
_OWN_RETRIES = "what is repeated, and when, is the same for every cloud"
_OWN_PACE = "limits.parallel_requests of the pack's configuration says how many go out at once"
REFUSED = {
    "vendor_hook": "code of a vendor is not run",
    "rate_limit": _OWN_PACE,
    "concurrency": _OWN_PACE,
    "connect_retries": _OWN_RETRIES,
    "connect_retry_delay": _OWN_RETRIES,
    "status_code_retries": _OWN_RETRIES,
    "status_code_retry_delay": _OWN_RETRIES,
    "retriable_status_codes": _OWN_RETRIES,
    "default_microversion": "each request is sent with the microversion that it needs",
}
_INTERFACES = ("public", "internal", "admin")
# What stands behind a service's name and picks its endpoint, with the method that reads it.
_FILTERS = {
    "interface": "get_interface",
    "region_name": "get_region_name",
    "service_type": "get_service_type",
    "service_name": "get_service_name",
}
OBEYED_OF_A_SERVICE = frozenset({*_FILTERS, "endpoint_override", "endpoint", "api_version"})
_WITHOUT_MEANING_OF_A_SERVICE = frozenset({"disabled_reason"})


def reach(entry: CloudEntry, overrides: Mapping[str, str]) -> Reach:
    """Return how the entry of clouds.yaml is reached that ``entry`` names.

    What ``entry`` says itself wins. Raises UserError for a key that is not obeyed.
    """
    where = f"Cloud {entry.name!r}: clouds.yaml"
    region, written = _region(entry, where)
    config, auth = dict(region.config), _auth(region.config, where)
    keys = {key for key, value in config.items() if str(_defaults().get(key)) != str(value)}
    keys |= written & WITHOUT_MEANING  # the SDK takes some of them out
    unused = tuple(_unused(config, sorted(keys - auth.keys()), where))
    verify, cert = region.get_requests_verify_args()
    if verify is False:
        raise UserError(
            f"{where} turns verification off for it.",
            advice="Name the certificate authority's file in cacert instead.",
        )
    asked = {kind: region.get_endpoint(kind) for kind in services.VERSIONS if _given(region, kind)}
    return Reach(
        auth_type=config.get("auth_type") or "password",
        auth=auth,
        region=entry.region_name or config.get("region_name") or None,
        interface=entry.interface or _interface(region, where),
        cacert=entry.cacert or (verify if isinstance(verify, str) else None),
        certificate=certificate(entry.cert, entry.key, where) or cert,
        timeout=_seconds(config.get("api_timeout"), where),
        overrides={**{k: v for k, v in asked.items() if v}, **overrides},
        filters={kind: _filter(region, kind) for kind in services.VERSIONS},
        unused=unused,
    )


def _region(entry: CloudEntry, where: str) -> tuple[Any, set[str]]:
    """Return the SDK's CloudRegion, without a login, and the keys that are written in the entry.

    Raises UserError if there is no such entry, or if nothing says which of its regions is meant.
    """
    from openstack.config import OpenStackConfig
    from openstack.exceptions import ConfigException

    _check_files(where)
    try:
        loader = OpenStackConfig(load_envvars=False)
        clouds, name = loader.cloud_config["clouds"], entry.clouds_yaml or ""
        if name not in clouds:
            found = near(name, map(str, clouds)) or sorted(map(str, clouds))
            raise NotFound("cloud", name, where="clouds.yaml", near=found)
        regions = [region["name"] for region in loader._get_known_regions(name)]
        chosen = entry.region_name
        if not chosen and len(set(regions)) > 1:
            chosen = (clouds[name] or {}).get("region_name")
            if chosen not in regions:
                raise UserError(
                    f"{where} has several regions of {name} ({listed(regions)}) and region_name "
                    "names none.",
                    advice="Set region_name of this cloud; make an entry for each region.",
                )
        written = {str(key).replace("-", "_") for key in clouds[name] or ()}
        return loader.get_one(cloud=name, region_name=chosen, validate=False), written
    except ConfigException as error:
        raise UserError(f"{where}: {clean(error).rstrip('.')}.") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"{where} cannot be read: {type(error).__name__}: {clean(error)}.",
            advice="Try the same entry with: openstack --os-cloud "
            f"{entry.clouds_yaml} token issue",
        ) from None
    except Exception as error:
        import yaml

        if not isinstance(error, (OSError, yaml.YAMLError)):
            raise
        # The text of a YAML error would show the line, which can hold a password.
        why = clean(getattr(error, "problem", None) or getattr(error, "strerror", None) or "")
        raise UserError(f"{where} cannot be read: {why or 'it is not valid YAML'}.") from None


def _check_files(where: str) -> None:
    """Raise UserError for a file that the SDK would wait for, choke on, or pass over if broken."""
    from openstack.config import loader

    from common.strict_yaml import LONGEST, Unreadable, load

    for names in (loader.CONFIG_FILES, loader.SECURE_FILES, loader.VENDOR_FILES):
        for path in filter(os.path.exists, names):
            try:
                load(read_regular(path, most=LONGEST).decode())
            except PermissionError:  # of another user: the SDK goes on to the next one
                continue
            except (OSError, UnicodeDecodeError) as error:
                why = clean(getattr(error, "strerror", None) or "it is not UTF-8 text")
                raise UserError(f"{where}: {clean(path)} cannot be read: {why}.") from None
            except Unreadable as error:
                line = f", line {error.line}" if error.line else ""
                raise UserError(
                    f"{where}: {clean(path)}{line} is not valid YAML: {error.why}."
                ) from None
            break


def _auth(config: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the options of the login, those too that stand outside of ``auth``."""
    from accounts.credentials import options_of

    known = options_of(config.get("auth_type") or "password", where)
    auth = {str(key).replace("-", "_"): value for key, value in (config.get("auth") or {}).items()}
    outside = {key: config[key] for key in known if key in config and key not in OBEYED}
    return {**outside, **auth}


def _defaults() -> Mapping[str, Any]:
    """Return what the SDK puts into every entry; it makes texts of numbers that it reads."""
    from openstack.config.defaults import get_defaults

    found: Mapping[str, Any] = get_defaults()
    return found


def _unused(config: Mapping[str, Any], keys: Iterable[str], where: str) -> Iterator[str]:
    """Yield the keys without a meaning here; raise UserError that names each one not obeyed."""
    refused, odd = [], []
    for key in keys:
        kind, rest = _split(key)
        if key in OBEYED:
            continue
        if key in WITHOUT_MEANING:
            yield key
        elif kind is None and rest is None:
            if key in REFUSED:
                refused.append(f"{key} ({REFUSED[key]})")
            else:
                odd.append(key)
        elif kind not in services.VERSIONS or rest in _WITHOUT_MEANING_OF_A_SERVICE:
            yield key
        elif why := _why_not(kind, rest or "", config[key]):
            refused.append(f"{key} ({why})")
    known = {*OBEYED, *WITHOUT_MEANING, *REFUSED, *(f"compute_{key}" for key in _SUFFIXES)}
    if odd:
        refused += [services.misspelt([key], known) for key in odd]
    if refused:
        raise UserError(
            f"{where} has keys that this pack does not obey: {', '.join(refused)}.",
            advice="Make an entry without them, or put what the pack needs into its own "
            "configuration.",
        )


_SUFFIXES = tuple(
    sorted({*OBEYED_OF_A_SERVICE, *_WITHOUT_MEANING_OF_A_SERVICE, *REFUSED}, key=len, reverse=True)
)


def _split(key: str) -> tuple[str | None, str | None]:
    """Return the service and the rest of a key as ``compute_interface``; None if it has none."""
    if key.startswith("has_"):
        kind = services.official(key.removeprefix("has_"))
        return (kind, "has") if kind else (None, None)
    for rest in _SUFFIXES:
        if key.endswith(f"_{rest}") and (kind := services.official(key[: -len(rest) - 1])):
            return kind, rest
    return None, None


def _why_not(kind: str, rest: str, value: Any) -> str:
    """Return why a key of a service is refused, "" if it is obeyed."""
    if rest == "has":
        return "" if value in (True, "true", "True", 1) else "the pack asks this service"
    if rest == "api_version":
        spoken = services.VERSIONS[kind] or "v1"
        asked = str(value).removeprefix("v").partition(".")[0]
        fits = asked == str(services.major(spoken))
        return "" if fits else f"the pack speaks {spoken} of this service"
    return REFUSED.get(rest, "")


def _given(region: Any, kind: str) -> bool:
    """Whether the entry itself has an address for the service, and not the SDK's rule for it."""
    return any(region._get_config(key, kind) for key in ("endpoint_override", "endpoint"))


def _filter(region: Any, kind: str) -> dict[str, Any]:
    """Return what picks one service's endpoint otherwise than those of all others."""
    found: dict[str, Any] = {}
    for key, method in _FILTERS.items():
        if region._get_config(key, kind) is not None:
            found[key] = getattr(region, method)(kind)
    return found


def _interface(region: Any, where: str) -> Any:
    """Return the interface, or those that are tried one after the other."""
    found = region.get_interface() or "public"
    names = [found] if isinstance(found, str) else found
    if odd := [name for name in names if str(name).removesuffix("URL") not in _INTERFACES]:
        known = ", ".join(_INTERFACES)
        raise UserError(f"{where}: there is no interface {clean(odd[0])!r}: it has {known}.")
    return found


def _seconds(value: Any, where: str) -> float | None:
    if value in (None, ""):
        return None
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UserError(f"{where}: api_timeout has to be a number of seconds above 0.")
    return seconds
