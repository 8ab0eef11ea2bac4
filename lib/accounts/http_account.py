"""An outside system that is no cloud and speaks HTTP: one entry of the configuration, one session.

It stands on what sessions to clouds stand on: certificates are always verified, an answer is
bounded in time and size, reads are repeated when that is worth it and changes only where nothing
was done, each change asks the run's lease first, and nothing is sent to another address.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import msgspec

from accounts.config import PackConfig
from accounts.http_config import HttpEntry
from common.errors import CloudError, RunbookError, UserError

if TYPE_CHECKING:
    from accounts.session import TracedSession

Answer = TypeVar("Answer")
_MIB = 1024 * 1024
_NO_VALUE = (
    "A key of the datastore that does not exist is read as nothing: see st2 key list --scope "
    "system."
)


class HttpAccount:
    """What accounts of outside systems have alike; each system has a class of its own.

    ``system`` is what people call such a system, ``token`` a bearer token where it takes one.
    """

    account_kind: ClassVar[str | None] = None
    system: ClassVar[str]

    def __init__(self, entry: HttpEntry, config: PackConfig, *, token: str | None = None) -> None:
        self.entry, self.config = entry, config
        self.name = entry.name
        #: As :attr:`accounts.cloud.Cloud.wait`.
        self.wait: Callable[[float], None] = time.sleep
        self._token = token
        self._session: TracedSession | None = None
        self._lock = threading.Lock()
        _check(self, token)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    @property
    def who(self) -> str:
        """The system and its name in the configuration, for a sentence."""
        return f"{self.system} {self.name}"

    @property
    def session(self) -> TracedSession:
        """The session, with the entry's credentials."""
        with self._lock:
            if self._session is None:
                self._session = self._opened()
            return self._session

    def get(
        self, path: str, kind: type[Answer], doing: str, *, params: Mapping[str, Any] | None = None
    ) -> Answer:
        """Return the answer to a GET, decoded as ``kind``.

        ``doing`` says what for, as ``listing the silences``. Raises CloudError with what the
        system said, also where it is no such answer; UserError for an account that cannot be
        right.
        """
        return self._answer("GET", path, kind, doing, params=dict(params or {}))

    def ask(
        self,
        path: str,
        kind: type[Answer],
        doing: str,
        *,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer to a question that the system takes as a POST.

        Only for what changes nothing: it is sent from anywhere, and repeated as a GET is. Raises
        as :meth:`get`.
        """
        more = dict(headers or {})
        return self._answer("POST", path, kind, doing, json=body, reads=True, headers=more)

    def change(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        doing: str,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a change and return its answer; only from a step, and not behind a lost lease.

        ``kind`` is ``type(None)`` where the answer tells nothing. A body of bytes is JSON that is
        sent as it stands. Raises LeaseLost, else as :meth:`get`: a CloudError without a status, or
        of a failed server, leaves open whether the change was made, and the step's look-up finds
        that out.
        """
        how: dict[str, Any] = {} if body is None else {"json": body}
        more = dict(headers or {})
        if isinstance(body, bytes):
            how, more = {"data": body}, {"Content-Type": "application/json", **more}
        return self._answer(method, path, kind, doing, headers=more, **how)

    def _answer(
        self,
        method: str,
        path: str,
        kind: type[Answer],
        doing: str,
        *,
        headers: Mapping[str, str] | None = None,
        **how: Any,
    ) -> Answer:
        with self._errors(doing):
            found = self.session.request(
                f"{self.entry.url.rstrip('/')}{path}",
                method,
                headers={"Accept": "application/json", **(headers or {})},
                **how,
            )
        if kind is type(None):
            return None
        try:
            return msgspec.json.decode(found.content, type=kind)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            from accounts.http_errors import not_understood

            # What was sent may have been obeyed by whatever answers so: the status stays away.
            raise not_understood(self, doing, found, error) from None

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except RunbookError:
            raise
        except Exception as error:
            from accounts.http_errors import translated

            if (told := translated(error, self, doing)) is None:
                raise
            raise told from None

    def _opened(self) -> TracedSession:
        from accounts.http_session import opened

        entry = self.entry
        return opened(
            entry,
            token=self._token,
            most=self.config.limits.answer_mib * _MIB,
            wait=lambda seconds: self.wait(seconds),
        )


def _check(account: HttpAccount, token: str | None) -> None:
    """Raise UserError for an entry with which nothing could be asked, or not safely."""
    from accounts.addresses import check_address
    from accounts.credential_files import check_readable
    from accounts.reach import certificate

    entry, where = account.entry, f"{account.system} {account.name!r}"
    check_address(entry.url, f"{where}: url")
    certificate(entry.cert, entry.key, where)
    if entry.user and not entry.password:
        raise UserError(f"{where}: user {entry.user!r} has no password.", advice=_NO_VALUE)
    if entry.password and not entry.user:
        raise UserError(f"{where}: it has a password but no user.")
    if entry.user and token:
        raise UserError(f"{where}: it has both a user and a token, and only one can be meant.")
    if (entry.user or token) and entry.url.lower().startswith("http://"):
        what = "token" if token else "password"
        raise UserError(
            f"{where}: without TLS the {what} would go over the network in clear.",
            advice="Use https:// in url.",
        )
    check_readable({"cacert": entry.cacert, "cert": entry.cert, "key": entry.key}, where)


def not_there(error: CloudError) -> bool:
    """Return whether the answer was that there is no such thing."""
    return error.status == 404
