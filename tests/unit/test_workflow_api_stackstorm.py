"""Asking StackStorm whether an execution was cancelled: briefly, and nobody but StackStorm."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from engine import stackstorm
from support.raw_http import Call, RawServer, answer

TOKEN = "st2-token-of-the-execution"


def asked(origin: str) -> str | None:
    (watcher,) = stackstorm.watchers(
        {
            "ST2_ACTION_API_URL": f"{origin}/api/v1/",
            "ST2_ACTION_AUTH_TOKEN": TOKEN,
            "ST2_ACTION_EXECUTION_ID": "64f0",
        }
    )
    return watcher()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("running", None),
        ("canceled", "its StackStorm execution 64f0 was cancelled"),
        ("canceling", "its StackStorm execution 64f0 was cancelled"),
    ],
)
def test_an_execution_that_was_cancelled(status: str, said: str | None) -> None:
    with RawServer(lambda call: call.say(answer(f'"{status}"'.encode()))) as server:
        assert asked(server.origin) == said
        (call,) = server.calls
    assert call.startswith(b"GET /api/v1/executions/64f0/attribute/status ")
    assert TOKEN.encode() in call


SAYS_NOTHING: dict[str, Callable[[Call], None]] = {
    "an error": lambda call: call.say(answer(b'"canceled"', "503 Busy")),
    "a page": lambda call: call.say(answer(b"<html>")),
    "no HTTP": lambda call: call.say(b"SSH-2.0\r\n\r\n"),
    "a list": lambda call: call.say(answer(b"[]")),
    "too much": lambda call: call.say(answer(b'"' + b"x" * 10**6 + b'"')),
    "a hang-up": lambda call: call.sock.close(),
    "a drip": lambda call: call.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000, 0.02),
}


@pytest.mark.parametrize("case", SAYS_NOTHING)
def test_what_says_nothing_of_an_execution(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stackstorm, "_SECONDS", 0.5)
    with RawServer(SAYS_NOTHING[case]) as server:
        began = time.monotonic()
        assert asked(server.origin) is None
        assert time.monotonic() - began < 2


def test_the_token_goes_to_no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(lambda call: call.say(answer(b'"canceled"'))) as thief:
        moved = answer(status="302 Found", Location=f"{thief.origin}/x")
        monkeypatch.setenv("http_proxy", thief.origin)
        monkeypatch.setenv("HTTP_PROXY", thief.origin)
        with RawServer(lambda call: call.say(moved)) as server:
            assert asked(server.origin) is None
            assert len(server.calls) == 1
        assert thief.calls == []
