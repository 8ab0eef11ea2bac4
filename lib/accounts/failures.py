"""What an exchange with a cloud can come to that keystoneauth has no exception of its own for."""

from __future__ import annotations

from urllib.parse import urlsplit

from keystoneauth1 import exceptions


class Redirected(exceptions.ClientException):  # type: ignore[misc]
    """An answer that sends us elsewhere, where what we carry must not go.

    ``asked`` and ``target`` are addresses without queries; ``target`` is "" where the answer
    names none, and equal to ``asked`` where following led in a circle.
    """

    def __init__(self, status: int, asked: str, target: str) -> None:
        self.status, self.asked, self.target = status, _bare(asked), _bare(target)
        super().__init__(f"{self.asked} answered {status} and named {self.target or 'nothing'}")


class AnswerTooLarge(exceptions.ClientException):  # type: ignore[misc]
    """An answer that is larger than ``limits.answer_mib``; it was not read to its end."""

    def __init__(self, asked: str) -> None:
        self.asked = _bare(asked)
        super().__init__(f"the answer of {self.asked} is too large")


class AnswerTooSlow(exceptions.ConnectTimeout):  # type: ignore[misc]
    """An answer that had begun and was not whole within ``limits.timeouts.request``."""

    def __init__(self, asked: str) -> None:
        self.asked = _bare(asked)
        super().__init__(f"the answer of {self.asked} came too slowly")


class NoLogin(exceptions.ClientException):  # type: ignore[misc]
    """What came back for the credentials is no answer of Keystone's; ``why`` says what it lacks."""

    def __init__(self, asked: str, why: str) -> None:
        self.asked, self.why = _bare(asked), why
        super().__init__(f"{self.asked} answered to the login with what is none: {why}")


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port: what must not change where credentials are sent.

    Raises ValueError for an address that is none.
    """
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme, 0)
    return parts.scheme, parts.hostname or "", parts.port or usual


def _bare(url: str) -> str:
    """Return an address without its query and fragment, and without credentials in it."""
    address = url.partition("?")[0].partition("#")[0]
    scheme, slashes, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{host.rpartition('@')[2]}{slash}{path}"
