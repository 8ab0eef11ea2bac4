"""What a cloud's refusals mean for an operator."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions

from accounts import connections, no_answer
from accounts.failures import NoLogin, Redirected
from accounts.reach import LOGGING_IN
from common.errors import CloudError, RunbookError, UserError
from common.redaction import excerpt
from common.text import clean

if TYPE_CHECKING:
    from accounts.cloud import Cloud

_LONGEST = 500
_OURS, _LIBRARIES = str(Path(__file__).parents[1]), {"keystoneauth1", "openstack"}
_STUMBLED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
_NO_API = (exceptions.DiscoveryFailure, exceptions.NotFound)
# What another service, or a page, answers to a login that is sent to it.
_NOT_KEYSTONE = {401, 404, 405}
_NO_REDIRECT = "Check the address in auth_url or the catalogue, and what a proxy before it does."
_FAILED = "The service failed: its log has the request id."
_BY_STATUS = {
    401: "Its token was refused: see whether the credentials were changed or have expired.",
    403: "The account has no right to do this: see cloud.check for what the pack needs.",
    404: "",
    406: "The service is too old for what was asked of it.",
    413: "Too much was asked at once.",
    429: "The service limits how often it may be asked: try again later, or with less in parallel.",
}


def translated(error: Exception, cloud: Cloud, doing: str) -> RunbookError | None:
    """Return the error to show for what keystoneauth raised; None if that was not the cloud's."""
    name = cloud.name
    if isinstance(error, exceptions.HttpError):
        return _answered(error, cloud, doing)
    if (none := no_answer.translated(error, _system(cloud), doing)) is not None:
        return none
    if isinstance(error, NoLogin):
        return CloudError(
            f"Cloud {name}: logging in: {error.asked} answered, but not with a login: {error.why}.",
            advice="See whether auth_url is Keystone's address, and whether something on the way "
            "(a proxy, a login page) answers in its place.",
        )
    if isinstance(error, exceptions.EmptyCatalog):
        return CloudError(
            f"Cloud {name}: {doing}: its catalogue is empty.",
            advice="The login is to no project, domain or system: give auth a project_name.",
        )
    if isinstance(error, exceptions.EndpointNotFound):
        region = cloud.reach.region
        return CloudError(
            f"Cloud {name}: {doing}: its catalogue has no such service"
            + (f" in region {region}" if region else "")
            + f" on the {cloud.reach.interfaces} interface.",
            advice="Check region_name and interface; cloud.check lists what is there.",
        )
    if isinstance(error, exceptions.DiscoveryFailure):
        met = error.__context__  # what keystoneauth met when it looked for the API
        if isinstance(met, exceptions.ClientException) and not isinstance(met, _NO_API):
            return translated(met, cloud, doing)
        return _no_keystone(cloud, doing)
    if isinstance(error, exceptions.ClientException):
        return CloudError(f"Cloud {name}: {doing}: {_reason(error)}.")
    if stumbled(error):
        return CloudError(
            f"Cloud {name}: {doing}: the answer was not understood: {type(error).__name__}: "
            f"{_reason(error)}.",
            advice="See whether auth_url and the catalogue lead to OpenStack's own services, and "
            "whether something on the way (a proxy, a login page) answers in their place.",
        )
    return None


def _no_keystone(cloud: Cloud, doing: str) -> CloudError:
    return CloudError(
        f"Cloud {cloud.name}: {doing}: Keystone's API does not answer at the configured address.",
        advice="Check auth_url: it usually ends in /v3.",
    )


def stumbled(error: BaseException) -> bool:
    """Return whether keystoneauth or the SDK broke off over an answer that is not one.

    They take a service at its word; a bug of ours ends in a line of ours.
    """
    if not isinstance(error, _STUMBLED):
        return False
    for frame, _line in reversed(list(traceback.walk_tb(error.__traceback__))):
        module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if module in _LIBRARIES or frame.f_code.co_filename.startswith(_OURS):
            return module in _LIBRARIES
    return False


def _system(cloud: Cloud) -> no_answer.RemoteSystem:
    return no_answer.RemoteSystem(
        who=f"Cloud {cloud.name}",
        it="the cloud",
        seconds=cloud.request_timeout,
        mebibytes=cloud.config.limits.answer_mib,
        slow="limits.timeouts.request",
        reason=connections.reason,
        right_address=_right_address,
        no_redirect=_NO_REDIRECT,
    )


def _right_address(error: Redirected) -> str:
    """Return which address to configure: the one that is in use with what the redirect changes."""
    try:
        asked, target = urlsplit(error.asked), urlsplit(error.target)
    except ValueError:
        return _NO_REDIRECT
    if asked.path.rstrip("/") == target.path.rstrip("/"):
        old, new = (f"{parts.scheme}://{parts.netloc}" for parts in (asked, target))
        return (
            f"The address in auth_url or the catalogue should begin with {clean(new)} instead of "
            f"{old}: correct it, or set endpoint_override, if the service is meant to be there."
        )
    return (
        "Correct the address in auth_url or the catalogue, or set endpoint_override, if the "
        "service is meant to be there."
    )


def _answered(error: Any, cloud: Cloud, doing: str) -> RunbookError:
    status, request_id = error.http_status, error.request_id or ""
    asked = urlsplit(getattr(error, "url", "") or "").path
    is_elsewhere = status in _NOT_KEYSTONE and not _is_login(error, asked, status)
    if doing == LOGGING_IN and is_elsewhere and _is_at_auth_url(error, cloud):
        return _no_keystone(cloud, doing)
    if status == 401 and asked.endswith("/auth/tokens"):
        return UserError(
            f"Cloud {cloud.name}: the credentials are not accepted (401).",
            advice="They are wrong, were changed, or have expired: check auth of this cloud.",
        )
    if status == 400 and (advice := connections.wants_tls(error.response)):
        where = "what answers there speaks TLS, but the address says http"
        return CloudError(f"Cloud {cloud.name}: {doing}: {where}.", status=400, advice=advice)
    said = spoken(getattr(error, "response", None)) or _reason(error)
    message = f"Cloud {cloud.name}: {doing}: {status}: {said}"
    return CloudError(message, status=status, request_id=request_id, advice=advice_on(status))


def _is_at_auth_url(error: Any, cloud: Cloud) -> bool:
    """Return whether the answer came from where auth_url has Keystone tell versions or log in.

    An identity provider and what federation asks have addresses of their own.
    """
    configured = str(cloud.reach.auth.get("auth_url") or "").rstrip("/")
    address = str(getattr(error, "url", "") or "").rstrip("/")
    return address == configured or (
        address.startswith(configured) and address.endswith(("/auth/tokens", "/v2.0/tokens"))
    )


def _is_login(error: Any, asked: str, status: int) -> bool:
    """Return whether an answer is Keystone's own refusal of credentials."""
    posted = getattr(error, "method", "POST") == "POST"
    return status == 401 and posted and asked.count("/v3/") == 1 and asked.endswith("/auth/tokens")


def advice_on(status: int) -> str:
    """Return what to do about an HTTP status, or nothing."""
    return _BY_STATUS.get(status, _FAILED if status >= 500 else "")


def spoken(response: Any) -> str:
    """Return the sentence in an OpenStack error body, whichever shape the service gave it."""
    if response is None:
        return ""
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    return excerpt(_message(body), _LONGEST).rstrip(".") + "." if _message(body) else ""


def _message(body: Any) -> str:
    """Find ``message``, ``detail`` or ``title`` wherever the service nested it."""
    if isinstance(body, list):
        return next(filter(None, map(_message, body)), "")
    if not isinstance(body, dict):
        return ""
    for key in ("message", "detail", "title"):
        if isinstance(body.get(key), str):
            return str(body[key])
    return next(filter(None, map(_message, body.values())), "")


def _reason(error: BaseException) -> str:
    return excerpt(str(error), _LONGEST).rstrip(". ")
