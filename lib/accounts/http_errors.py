"""What the refusals of an outside system mean for an operator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from keystoneauth1 import exceptions

from accounts import connections, no_answer
from accounts.cloud_errors import stumbled
from accounts.failures import Redirected
from common.errors import CloudError
from common.redaction import excerpt

if TYPE_CHECKING:
    from accounts.http_account import HttpAccount

_LONGEST = 500
_OTHER = (
    "See whether url leads to {system}, and whether something on the way (a proxy, a login page) "
    "answers in its place."
)
_RIGHT = "Correct url of this account, if the service is meant to be there."
_BY_STATUS = {
    401: "The credentials are not accepted: check those of this account.",
    403: "The account has no right to do this.",
    404: "",
    413: "Too much was asked at once.",
    429: "The service limits how often it may be asked: try again later.",
}
_FAILED = "The service failed, or a proxy before it: their logs say why."
# Where the APIs of these systems have their sentence, by what each is called.
_SAYS = ("message", "detail", "title", "status", "errors", "error")


def translated(error: Exception, account: HttpAccount, doing: str) -> CloudError | None:
    """Return the error to show for what the session raised; None if it was not the system's."""
    if (none := no_answer.translated(error, _system(account), doing)) is not None:
        return none
    said = f"{account.who}: {doing}"
    if isinstance(error, exceptions.HttpError):
        return _answered(error, account, said)
    if isinstance(error, exceptions.ClientException):
        return CloudError(f"{said}: {_line(str(error))}.")
    if stumbled(error):
        what = f"{type(error).__name__}: {_line(str(error))}"
        return CloudError(f"{said}: the answer was not understood: {what}.", advice=_other(account))
    return None


def not_understood(account: HttpAccount, doing: str, answer: Any, error: Exception) -> CloudError:
    """Return the error to show for a good answer that is none of the system's API."""
    what = "it is a web page" if _is_page(answer) else _line(str(error))
    return CloudError(
        f"{account.who}: {doing}: the answer was not understood: {what}.", advice=_other(account)
    )


def _answered(error: Any, account: HttpAccount, said: str) -> CloudError:
    status, answer = error.http_status, getattr(error, "response", None)
    if status == 400 and connections.wants_tls(answer):
        where = "what answers there speaks TLS, but the address says http"
        return CloudError(f"{said}: {where}.", status=status, advice="Use https:// in url.")
    advice = _BY_STATUS.get(status, _FAILED if status >= 500 else "")
    if status in (404, 405) and _is_page(answer):
        advice = _other(account)
    message = spoken(answer) or _line(str(error))
    return CloudError(f"{said}: {status}: {message}.", status=status, advice=advice)


def spoken(answer: Any) -> str:
    """Return what an answer says went wrong, whichever shape the system gave it, in one line."""
    if answer is None:
        return ""
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        return ""
    return _line("; ".join(dict.fromkeys(filter(None, _sentences(body)))))


def _sentences(body: Any) -> Iterator[str]:
    """Yield the sentences of an answer: it can be one itself, or have them in lists and fields."""
    if isinstance(body, str):
        yield body.strip().rstrip(".")
    elif isinstance(body, list):
        for one in body:
            yield from _sentences(one)
    elif isinstance(body, dict):
        for key in _SAYS:
            yield from _sentences(body.get(key))
        yield from _sentences(body.get("results"))


def _system(account: HttpAccount) -> no_answer.RemoteSystem:
    def right(error: Redirected) -> str:
        return _RIGHT

    return no_answer.RemoteSystem(
        who=account.who,
        it="the service",
        seconds=float(account.entry.timeout),
        mebibytes=account.config.limits.answer_mib,
        slow="timeout of this account",
        reason=connections.reason_at_url,
        right_address=right,
        no_redirect="Check url of this account, and what a proxy before the service does.",
    )


def _other(account: HttpAccount) -> str:
    return _OTHER.format(system=account.system)


def _is_page(answer: Any) -> bool:
    return (getattr(answer, "content", b"") or b"").lstrip()[:1] == b"<"


def _line(text: str) -> str:
    return excerpt(text, _LONGEST).rstrip(". ")
