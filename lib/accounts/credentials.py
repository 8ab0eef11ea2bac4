"""From auth_type and auth to a keystoneauth plugin, or to the sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from accounts import services
from common.errors import UserError
from common.text import clean, near

# Plugins that keystoneauth has and that cannot work here.
_UNFIT = {
    "v2password": "version 2 of the Identity API is gone since the release Queens",
    "v2token": "version 2 of the Identity API is gone since the release Queens",
    "v3oidcdeviceauthz": "it waits for a person who confirms the login in a browser",
    "v3websso": "it waits for a person who confirms the login in a browser",
}
_UNFIT_OPTIONS = {"idp_otp_key": "it asks a person for a code"}
_USUAL = "Use v3applicationcredential, password, v3token or another of keystoneauth's."


def plugin(auth_type: str, auth: Mapping[str, Any], where: str) -> Any:
    """Return the keystoneauth plugin of a login; ``where`` begins the sentences.

    Raises UserError that names every option that is not known, missing or empty; never a value.
    """
    from keystoneauth1 import exceptions

    loader = _loader(auth_type, where)
    _check(loader, auth_type, auth, where)
    try:
        # A user or project can be called 1234, which YAML reads as a number.
        return loader.load_from_options(
            **{key: str(value) if isinstance(value, int) else value for key, value in auth.items()}
        )
    except exceptions.MissingRequiredOptions as missing:
        options = ", ".join(option.dest for option in missing.options)
        raise UserError(f"{where}: auth lacks {options}.") from None
    except exceptions.OptionError as error:  # as a user name without its domain
        raise UserError(f"{where}: auth: {clean(error).rstrip('.')}.") from None
    except ImportError as error:
        raise UserError(
            f"{where}: auth_type {auth_type} needs the Python package {error.name}, which is not "
            "installed in the virtualenv of the pack.",
            advice=_USUAL,
        ) from None
    except Exception as error:  # a plugin says in its own way what it cannot work with
        raise UserError(
            f"{where}: auth_type {auth_type} does not take these options: {type(error).__name__}.",
            advice=f"It knows {', '.join(sorted(_options(loader)))}.",
        ) from None


def options_of(auth_type: str, where: str) -> set[str]:
    """Return the names of a plugin's options; raises UserError if there is no such plugin."""
    return _options(_loader(auth_type, where))


def _options(loader: Any) -> set[str]:
    return {option.dest for option in loader.get_options()}


def _loader(auth_type: str, where: str) -> Any:
    from keystoneauth1 import exceptions, loading

    if why := _UNFIT.get(auth_type):
        raise UserError(f"{where}: auth_type {auth_type} is of no use here: {why}.", advice=_USUAL)
    try:
        loader = loading.get_plugin_loader(auth_type)
    except exceptions.NoMatchingPlugin:
        names = near(auth_type, set(loading.get_available_plugin_names()) - _UNFIT.keys())
        meant = f"Did you mean {' or '.join(names)}? " if names else ""
        raise UserError(
            f"{where}: there is no auth_type {clean(auth_type)!r}.", advice=f"{meant}{_USUAL}"
        ) from None
    if not loader.available:
        raise UserError(
            f"{where}: auth_type {auth_type} needs Python packages that are not installed in the "
            "virtualenv of the pack.",
            advice=_USUAL,
        )
    return loader


def _check(loader: Any, auth_type: str, auth: Mapping[str, Any], where: str) -> None:
    if auth_type == "v3multifactor":
        _choose_methods(loader, auth.get("auth_methods"), where)
    known = _options(loader)
    if unknown := sorted(auth.keys() - known):
        raise UserError(
            f"{where}: auth has keys that {auth_type} does not know: "
            f"{services.misspelt(unknown, known)}.",
            advice=f"It knows {', '.join(sorted(known))}.",
        )
    for key in sorted(auth.keys() & _UNFIT_OPTIONS.keys()):
        raise UserError(f"{where}: auth: {key} is of no use here: {_UNFIT_OPTIONS[key]}.")
    if empty := sorted(key for key, value in auth.items() if value in (None, "")):
        raise UserError(
            f"{where}: auth has no value for {', '.join(empty)}.",
            advice="A key of the datastore that does not exist is read as nothing: see "
            "st2 key list --scope system.",
        )
    if odd := sorted(key for key, value in auth.items() if not _is_plain(value)):
        raise UserError(f"{where}: auth: these options have to be texts: {', '.join(odd)}.")


def _is_plain(value: Any) -> bool:
    several = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return several or (isinstance(value, (str, int)) and not isinstance(value, bool))


def _choose_methods(loader: Any, methods: Any, where: str) -> None:
    """Tell a loader of several methods which, as its options depend on them."""
    if not isinstance(methods, list) or not all(isinstance(name, str) for name in methods):
        raise UserError(
            f"{where}: auth lacks auth_methods, a list as [v3password, v3totp].",
        )
    for name in methods:
        _loader(name, where)
    loader._methods = methods
