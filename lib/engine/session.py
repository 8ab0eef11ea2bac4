"""What one call of the dispatcher has at hand: configuration, accounts, state store, voice."""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from common.redaction import Redactor
from engine.lease import Watcher
from engine.reporter import Reporter
from engine.stop import Stop
from workflow_api.context import Requester

if TYPE_CHECKING:
    from accounts.config import PackConfig
    from state.journal import Journal

log = logging.getLogger("openstack_ops")
# Shorter parameter values would blank ordinary words out of a traceback.
_SHORTEST = 4


@dataclass
class Session:
    """One call. Accounts are made once each, so there is one login per run and cloud."""

    config: PackConfig
    requester: Requester
    reporter: Reporter
    redactor: Redactor
    stop: Stop
    parameters: Mapping[str, Any]
    cancelled: Sequence[Watcher] = ()
    deadline: float | None = None
    _accounts: dict[tuple[type, Any], Any] = field(default_factory=dict)
    _journal: Journal | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def journal(self) -> Journal:
        """The journal, opened when it is first asked for: reading runbooks never need it."""
        with self._lock:
            if self._journal is None:
                from state.journal import Journal
                from state.store import Store

                self._journal = Journal(Store(self.config.state_url))
            return self._journal

    def account(self, kind: type, name: str | list[str] | None) -> Any:
        """Return the account of type ``kind`` that the configuration calls ``name``.

        A kind that is of several (``each``) chooses their names, and gets them one by one.
        """
        each: type | None = getattr(kind, "each", None)
        if each is not None:
            names = kind.chosen(self.config, name)  # type: ignore[attr-defined]
            return kind(self.account(each, one) for one in names)
        make: Callable[[PackConfig, Any], Any] = kind.from_config  # type: ignore[attr-defined]
        with self._lock:
            if name is not None and (kind, name) in self._accounts:
                return self._accounts[kind, name]
            made = make(self.config, name)
            made.wait = self.wait
            return self._accounts.setdefault((kind, made.name), made)

    def wait(self, seconds: float) -> None:
        """Sleep on behalf of an account; raises Interrupted once nothing is to be waited for."""
        self.stop.wait(seconds)

    def bug(self, error: BaseException) -> str:
        """Log an unexpected exception and return a sentence with the id it has in the log.

        What came of a file of the pack that this user may not read is told as that.

        The log gets the traceback without secrets and without the values of parameters.
        """
        number = os.urandom(6).hex()
        parts = map(self._without_values, traceback.format_exception(error))
        log.error("bug %s\n%s", number, self.redactor.text("".join(parts)))
        from engine.unreadable import own_file

        return own_file(error) or (
            f"Internal error {number} ({type(error).__name__}): this is a bug in the pack. "
            "The log has the traceback under this number."
        )

    def _without_values(self, part: str) -> str:
        if part.startswith('  File "'):  # a line of code, which names no values
            return part
        for name, value in self._values():
            part = part.replace(value, f"<{name}>")
        return part

    def _values(self) -> list[tuple[str, str]]:
        """Return every text in the parameters under its parameter's name, the longest first."""
        found = [(name, text) for name, value in self.parameters.items() for text in _texts(value)]
        return sorted(found, key=lambda pair: len(pair[1]), reverse=True)

    def close(self) -> None:
        """Close what was opened."""
        if self._journal is not None:
            self._journal.store.close()


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) >= _SHORTEST:
            # Also as it stands in a traceback's repr of it.
            yield from {value, repr(value)[1:-1]}
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _texts(name)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _texts(inner)
