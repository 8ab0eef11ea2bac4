"""What all tests share."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import Engine, create_engine

from accounts import repeating
from accounts.session import TracedSession
from state import engines
from support import sampling

#: Markers whose tests are skipped if not asked for, strictest first, and why they are.
ASKED_FOR = {
    "crash": "takes minutes: ask for it with -m crash (make test-crash)",
    "cloud": "needs a real OpenStack: ask for it with -m cloud (make test-cloud, make test)",
}


def pytest_configure(config: pytest.Config) -> None:
    """Try properties with fewer examples unless they are asked for: ``-m hypothesis``."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what runs in the background so, and every process of a test inherits it:
        # none of them could be interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sampling.all_examples = "hypothesis" in config.option.markexpr
    # A busy machine is no slow test.
    settings.register_profile("ours", max_examples=sampling.examples(100), deadline=None)
    settings.load_profile("ours")


def pytest_collection_finish() -> None:
    """Collect garbage rarely: looking for it takes a seventh of the time of all tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(trylast=True)  # the folder of the cloud's tests marks them first
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs minutes or a cloud, or is more than a sample, unless it is asked for.

    What is long is deselected: to skip thousands would take a tenth of the time of all others.
    """
    asked = config.option.markexpr
    if "long" not in asked:
        long = [item for item in items if _is_long(item)]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not _is_long(item)]
    for item in items:
        marks = [name for name in ASKED_FOR if item.get_closest_marker(name)]
        if "crash" in marks:
            marks = ["crash"]  # the cloud that it needs comes with it
        for name in marks:
            if name not in asked:
                item.add_marker(pytest.mark.skip(ASKED_FOR[name]))


def _is_long(item: pytest.Item) -> bool:
    # What takes minutes is asked for as that.
    return bool(item.get_closest_marker("long") and not item.get_closest_marker("crash"))


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is left out."""
    left_out = "long" not in config.option.markexpr
    return "what takes long is left out: -m long asks for it (make test-long)" if left_out else ""


@pytest.fixture(autouse=True, scope="session")
def statements_compiled_once() -> Iterator[None]:
    """Have all state stores of a process share compiled SQL.

    A process has one store, and nearly each test another one: to compile the same statements for
    each takes a ninth of the time of all tests.
    """
    first = create_engine("sqlite://", json_serializer=engines._as_json)
    with first.connect():  # its dialect learns the version of SQLite
        pass
    compiled: dict[Any, Any] = {}

    def make(url: Any, **how: Any) -> Engine:
        engine = create_engine(url, **how)
        if engine.dialect.name == first.dialect.name:
            engine.dialect = first.dialect  # what is compiled is known by it
            engine.update_execution_options(compiled_cache=compiled)
        return engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "create_engine", make)
        yield


@pytest.fixture
def no_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let requests be repeated without a pause that no service has asked for."""
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.0)


@pytest.fixture(scope="module")
def versions_asked_once() -> Iterator[None]:
    """Have all logins of a module share what services said of their versions.

    Each run asks for them. Where hundreds of runs ask the same cloud, and what they ask is not
    what is tested, that is a third of all requests.
    """
    said: dict[str, Any] = {}
    begin = TracedSession.__init__

    def begin_with(session: TracedSession, **how: Any) -> None:
        begin(session, discovery_cache=said, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TracedSession, "__init__", begin_with)
        yield
