"""How often, and after which pauses, a request to a cloud is repeated."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from itertools import chain, repeat
from typing import Any

from keystoneauth1 import exceptions
from tenacity import RetryCallState, Retrying, stop_after_delay, wait_exponential, wait_random

from accounts.retriable import is_to_be_repeated

_TRIES = 4
# Reads side by side that are refused for being too many take turns: each can be refused often.
_TRIES_WHEN_BUSY, _PATIENCE = 60, 60.0
_LONGEST_WAIT = 60.0
_backoff = wait_exponential(multiplier=0.2, max=10) + wait_random(0, 0.2)
_too_late = stop_after_delay(2 * _LONGEST_WAIT)
# Those who were told to wait as long as each other must not come back together each time.
_apart = wait_random(0, 0.5)


def repeated(
    first: Future[Any], once: Callable[[], Any], harmless: bool, wait: Callable[[float], None]
) -> Any:
    """Send again after the ``first`` try, until an answer is there or it is enough.

    Returns the last answer or raises the last error, or what ``wait`` raises, which sleeps in
    between. ``harmless`` is what changes nothing.
    """

    def is_enough(state: RetryCallState) -> bool:
        is_busy = harmless and state.idle_for < _PATIENCE and _is_busy(state)
        return state.attempt_number >= (_TRIES_WHEN_BUSY if is_busy else _TRIES) or _too_late(state)

    def is_worth(state: RetryCallState) -> bool:
        assert state.outcome is not None
        return is_to_be_repeated(state.outcome, harmless)

    tries = chain([first.result], repeat(once))
    return Retrying(
        retry=is_worth,
        wait=_pause_apart if harmless else _pause,
        stop=is_enough,
        sleep=wait,
        retry_error_callback=_last,
    )(lambda: next(tries)())


def _last(state: RetryCallState) -> Any:
    """Return the last answer, or raise the last error, marked so that nobody repeats it again."""
    assert state.outcome is not None
    error = state.outcome.exception()
    if error is not None:
        error.was_retried = True  # type: ignore[attr-defined]
    return state.outcome.result()


def _is_busy(state: RetryCallState) -> bool:
    """Return whether the answer was that there are too many requests; some say it with a 503."""
    assert state.outcome is not None
    error = state.outcome.exception()
    status = error.http_status if isinstance(error, exceptions.HttpError) else None
    if error is None:
        status = state.outcome.result().status_code
    return status == 429 or (status == 503 and _asked(state) is not None)


def _pause_apart(state: RetryCallState) -> float:
    asked = _asked(state)
    if asked is None:
        return _backoff(state)
    return asked + (_apart(state) if state.attempt_number > 1 else 0.0)


def _pause(state: RetryCallState) -> float:
    """Wait as long as the service asks for, else longer each time."""
    asked = _asked(state)
    return _backoff(state) if asked is None else asked


def _asked(state: RetryCallState) -> float | None:
    """Return how long the service asks to wait (Retry-After, RFC 9110), if it does."""
    assert state.outcome is not None
    error = state.outcome.exception()
    answer = getattr(error, "response", None) if error else state.outcome.result()
    asked = answer.headers.get("Retry-After", "") if answer is not None else ""
    with contextlib.suppress(ValueError):
        return min(max(0.0, float(asked)), _LONGEST_WAIT)  # what is no number is no wait
    return None
