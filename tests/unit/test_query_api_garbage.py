"""The garbage collector rests while a query is answered, and is then as it was."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from common.errors import CloudError
from query_api.execution import garbage
from query_api.execution.query import query
from support.memory_cloud import MemoryCloud, refused


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    assert gc.isenabled()
    yield
    gc.enable()


def test_it_rests_while_a_query_is_answered() -> None:
    seen: list[bool] = []

    def serve(path: str, params: Mapping[str, Any], version: str | None) -> Any:
        seen.append(gc.isenabled())
        return {"domains": []}

    cloud = MemoryCloud({"identity": serve})
    query("domain").run([cloud])
    assert set(seen) == {False}
    assert gc.isenabled()


def test_it_works_again_after_an_error() -> None:
    def serve(*_: Any) -> Any:
        raise refused(500)

    with pytest.raises(CloudError):
        query("domain").run([MemoryCloud({"identity": serve})])
    assert gc.isenabled()


def test_it_rests_until_the_last_thread_has_left() -> None:
    leave = [threading.Event(), threading.Event()]
    inside = threading.Barrier(3, timeout=5)

    def rest(until: threading.Event) -> None:
        with garbage.at_rest(), garbage.at_rest():
            inside.wait()
            until.wait(5)

    threads = [threading.Thread(target=rest, args=(event,)) for event in leave]
    for thread in threads:
        thread.start()
    inside.wait()
    states = [gc.isenabled()]
    for event, thread in zip(leave, threads, strict=True):
        event.set()
        thread.join()
        states.append(gc.isenabled())
    assert states == [False, False, True]


def test_who_has_switched_it_off_finds_it_off() -> None:
    gc.disable()
    with garbage.at_rest():
        pass
    assert not gc.isenabled()
