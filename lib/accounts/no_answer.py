"""What is said where a system gave no answer, or none that can be used.

A cloud and any other system that speaks HTTP fail on the way alike; what differs is who is meant,
and where its address and its bounds are configured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keystoneauth1 import exceptions

from accounts import connections
from accounts.connections import Reason
from accounts.failures import AnswerTooLarge, AnswerTooSlow, Redirected
from common.errors import CloudError
from common.redaction import excerpt

_LONGEST = 500


@dataclass(frozen=True)
class RemoteSystem:
    """A system that was asked something, in the words of an operator.

    ``who`` begins each sentence (``Cloud prod``) and ``it`` stands for it in advice. ``seconds``
    and ``mebibytes`` bound an answer; ``slow`` names the setting of the former. ``reason`` tells
    why no connection came about, ``right_address`` what to do about a redirect.
    """

    who: str
    it: str
    seconds: float
    mebibytes: int
    slow: str
    reason: Callable[[BaseException], Reason]
    right_address: Callable[[Redirected], str]
    no_redirect: str


def translated(error: Exception, system: RemoteSystem, doing: str) -> CloudError | None:
    """Return the error to show where there was no answer; None if that was not the trouble."""
    said = f"{system.who}: {doing}"
    if isinstance(error, Redirected):
        return _redirected(error, system, said)
    if isinstance(error, AnswerTooLarge):
        return CloudError(
            f"{said}: the answer of {error.asked} is larger than {system.mebibytes} MiB, so it was "
            "not read.",
            advice="Ask for less; limits.answer_mib says how large an answer may be.",
        )
    if isinstance(error, AnswerTooSlow):
        return CloudError(
            f"{said}: {error.asked} began to answer and was not done within {system.seconds:g}s.",
            advice=f"See what slows the service down; {system.slow} says how long one request may "
            "take.",
        )
    if isinstance(error, exceptions.SSLError):
        return _no_tls(error, system, said)
    if isinstance(error, exceptions.ConnectTimeout):
        return CloudError(
            f"{said}: no answer within {system.seconds:g}s.",
            advice=f"See whether the service is up; {system.slow} says how long to wait.",
        )
    if isinstance(error, (exceptions.ConnectFailure, exceptions.UnknownConnectionError)):
        why, advice = system.reason(error)
        return CloudError(f"{said}: no connection: {why}.", advice=advice)
    return None


def _no_tls(error: Exception, system: RemoteSystem, said: str) -> CloudError:
    why = connections.certificate(error)
    if why is None:
        why, advice = system.reason(error)
        return CloudError(f"{said}: no connection: {why}.", advice=advice)
    return CloudError(
        f"{said}: the certificate could not be verified: {why}.",
        advice=f"If {system.it} has a certificate authority of its own, name its file in cacert.",
    )


def _redirected(error: Redirected, system: RemoteSystem, said: str) -> CloudError:
    """Return what to say of an answer that leads elsewhere, and which address would be right."""
    where = excerpt(error.target, _LONGEST)
    said = f"{said}: {error.asked} answered with a redirect ({error.status})"
    if not error.target:
        return CloudError(f"{said} that names no address.", advice=system.no_redirect)
    if error.target == error.asked:
        return CloudError(f"{said}, and so on in a circle.", advice=system.no_redirect)
    return CloudError(
        f"{said} to {where}, which was not followed: what is sent to a service goes to no other "
        "address.",
        advice=system.right_address(error),
    )
