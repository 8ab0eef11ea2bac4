"""What a cloud's refusals mean for an operator."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keystoneauth1 import exceptions

from workflow_api.errors import CloudError, RunbookError, UserError
from workflow_api.text import clean

if TYPE_CHECKING:
    from accounts.cloud import Cloud

_LONGEST = 500
_SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([A-Za-z ]+)")
_ADDRESS = re.compile(r"https?://[^/\s]*[^/\s:]")
_NO_API = (exceptions.DiscoveryFailure, exceptions.NotFound)
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
    if isinstance(error, exceptions.SSLError):
        return CloudError(
            f"Cloud {name}: {doing}: the certificate could not be verified: {_reason(error)}.",
            advice="If the cloud has a certificate authority of its own, name its file in cacert.",
        )
    if isinstance(error, (exceptions.ConnectTimeout,)):
        return CloudError(
            f"Cloud {name}: {doing}: no answer within {cloud.config.limits.timeouts.request}.",
            advice="See whether the service is up; limits.timeouts.request says how long to wait.",
        )
    if isinstance(error, (exceptions.ConnectFailure, exceptions.UnknownConnectionError)):
        return CloudError(
            f"Cloud {name}: {doing}: no connection: {_reason(error)}.",
            advice="See whether the address in auth_url or the catalogue is right and reachable "
            "from here, and whether the service is up.",
        )
    if isinstance(error, exceptions.EndpointNotFound):
        return CloudError(
            f"Cloud {name}: {doing}: its catalogue has no such service"
            + (f" in region {cloud.region}" if cloud.region else "")
            + f" on the {cloud.entry.interface} interface.",
            advice="Check region_name and interface; cloud.check lists what is there.",
        )
    if isinstance(error, exceptions.DiscoveryFailure):
        met = error.__context__  # what keystoneauth met when it looked for the API
        if isinstance(met, exceptions.ClientException) and not isinstance(met, _NO_API):
            return translated(met, cloud, doing)
        return CloudError(
            f"Cloud {name}: {doing}: no OpenStack API answers at the configured address.",
            advice="Check auth_url: it usually ends in /v3.",
        )
    if isinstance(error, exceptions.ClientException):
        return CloudError(f"Cloud {name}: {doing}: {_reason(error)}.")
    return None


def _answered(error: Any, cloud: Cloud, doing: str) -> RunbookError:
    status, request_id = error.http_status, error.request_id or ""
    asked = urlsplit(getattr(error, "url", "") or "").path
    if status == 401 and asked.endswith("/auth/tokens"):
        return UserError(
            f"Cloud {cloud.name}: the credentials are not accepted (401).",
            advice="They are wrong, were changed, or have expired: check auth of this cloud.",
        )
    said = spoken(getattr(error, "response", None)) or _reason(error)
    message = f"Cloud {cloud.name}: {doing}: {status}: {said}"
    return CloudError(message, status=status, request_id=request_id, advice=advice_on(status))


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
    return clean(_message(body))[:_LONGEST].rstrip(".") + "." if _message(body) else ""


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
    # The cause stands innermost in what requests and urllib3 say, behind their own class names.
    if found := _SYSTEM_ERROR.search(str(error)):
        where = _ADDRESS.search(str(error))
        return f"{where[0] if where else 'it'}: {found[1].lower()}"
    return clean(str(error))[:_LONGEST].rstrip(". ")
