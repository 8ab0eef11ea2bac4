"""Every answer ends: within its time, within its size, and at once when nobody waits for it."""

from __future__ import annotations

import gzip
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from accounts import repeating
from accounts.cloud import Cloud
from accounts.config import load
from common.errors import Interrupted
from engine.stop import Stop
from query_api.lookups import compute
from support.certificates import Authority
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import tracing_as
from support.raw_http import Call, RawServer, answer
from support.sampling import sampled
from workflow_api import CloudError

TOP = Path(__file__).parents[2]
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _brief_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "_backoff", lambda state: 0.01)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


def cloud_at(url: str, *, cacert: Path | None = None, **limits: Any) -> Cloud:
    auth = {
        "auth_url": url,
        "username": "u",
        "password": "correct horse",
        "project_name": "p",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }
    entry = {"name": "x", "auth": auth} | ({"cacert": str(cacert)} if cacert else {})
    return Cloud.from_config(load({"clouds": [entry], "limits": limits}), None)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def in_chunks(body: bytes, pause: float = 0.0) -> Callable[[Call], None]:
    def script(call: Call) -> None:
        call.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        call.drip(body, pause) if pause else call.say(body)

    return script


def body_that_drips(call: Call) -> None:
    call.say(HEAD + b"Content-Length: 10000\r\n\r\n")
    call.drip(b"x" * 10000, 0.05)


DRIPS: dict[str, Callable[[Call], None]] = {
    "the body": body_that_drips,
    "the head": lambda call: call.drip(HEAD + b"X-Filler: " + b"x" * 10000, 0.05),
    "the size of a chunk": in_chunks(b"0" * 10000, 0.05),
    "interim answers": lambda call: call.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, 0.01),
}


# -- time --------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize(
    ("what", "secure"), sampled(list(itertools.product(DRIPS, (False, True))), len(DRIPS))
)
def test_what_drips_ends_in_time(what: str, secure: bool, authority: Authority) -> None:
    """The login: it is asked first, and by the same session as everything else."""

    def script(call: Call) -> None:
        if call.line.startswith("GET"):  # which versions there are
            call.say(answer(status="404 Not Found"))
        else:
            DRIPS[what](call)

    with RawServer(script, certificate=authority.issue() if secure else None) as server:
        cloud = cloud_at(f"{server.origin}/v3", cacert=authority.file, timeouts={"request": "1s"})
        began = time.monotonic()
        with pytest.raises(CloudError, match="began to answer and was not done within 1s") as told:
            compute.servers(cloud)
        assert 0.9 < time.monotonic() - began < 2.5, "once, and no longer than allowed"
    assert "limits.timeouts.request" in told.value.advice


@pytest.mark.long
def test_a_listing_that_drips_ends_in_time() -> None:
    with FakeCloud([], [Server("a")]) as fake, RawServer(body_that_drips) as server:
        fake.services["compute"] = f"{server.origin}/v2.1"
        cloud = fake.account(limits={"timeouts": {"request": "1s"}})
        cloud.log_in()
        began = time.monotonic()
        with pytest.raises(CloudError, match="was not done within 1s"):
            cloud.get("compute", "/servers")
        assert time.monotonic() - began < 2.5


def test_time_that_is_over_before_anything_is_sent_is_told_as_any_other() -> None:
    """As on a machine that is so busy that the request's time is over before urllib3 has it."""
    with FakeCloud([], [Server("a")]) as fake:
        cloud = fake.account()
        cloud.log_in()
        for adapter in cloud.session.session.adapters.values():
            adapter._seconds = 0.0
        with pytest.raises(CloudError, match="no answer within"):
            cloud.get("compute", "/servers")
        assert fake.count("GET /compute/v2.1/servers") == 0


@pytest.mark.long
def test_silence_is_asked_again_and_then_told() -> None:
    with RawServer(lambda call: call.server.ended.wait(10) and None) as server:
        cloud = cloud_at(f"{server.origin}/v3", timeouts={"request": "0.3s"})
        with pytest.raises(CloudError, match=r"no answer within 0\.3s"):
            cloud.get("identity", "/x")
        assert len(server.calls) == 8, "four for the versions, four for the login"


# -- size --------------------------------------------------------------------------------------


SPACES = b" " * (100 * MIB)


@cache
def bomb() -> bytes:
    return gzip.compress(SPACES, 1)


def honest(call: Call) -> None:
    call.say(HEAD + f"Content-Length: {2**30}\r\n\r\n".encode())
    call.server.ended.wait(5)


def endless(call: Call) -> None:
    call.say(HEAD + b"\r\n")
    for _ in range(2000):
        call.say(b" " * MIB)


LARGE: dict[str, Callable[[Call], None]] = {
    "a gibibyte that is announced": honest,
    "one without an end": endless,
    "gzip": lambda call: call.say(answer(bomb(), Content_Encoding="gzip")),
    "deflate": lambda call: call.say(answer(zlib.compress(SPACES, 1), Content_Encoding="deflate")),
    "gzip in gzip": lambda call: call.say(
        answer(gzip.compress(bomb()), Content_Encoding="gzip, gzip")
    ),
}

_MEASURED = """
import resource, sys
sys.path[:0] = [{lib!r}, {tests!r}]
from accounts.cloud import Cloud
from accounts.config import load
from workflow_api import CloudError
config = {{"clouds": [{{"name": "x", "auth_type": "none", "auth": {{"endpoint": {url!r}}}}}],
          "limits": {{"answer_mib": 8}}}}
cloud = Cloud.from_config(load(config), None)
cloud.session
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    cloud.get("compute", "/servers")
except CloudError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.long
@pytest.mark.parametrize("what", LARGE)
def test_what_is_too_large_is_not_read(what: str) -> None:
    with RawServer(LARGE[what]) as server:
        program = _MEASURED.format(
            lib=str(TOP / "lib"), tests=str(TOP / "tests"), url=f"{server.origin}/v2.1"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
        )
    said, mib = done.stdout.splitlines()
    assert "is larger than 8 MiB, so it was not read" in said
    assert "limits.answer_mib" in said
    assert int(mib) < 48, "its memory, in MiB"


@pytest.mark.long
def test_the_size_of_a_chunk_without_an_end() -> None:
    with RawServer(in_chunks(b"0" * (64 * MIB))) as server:
        program = _MEASURED.format(
            lib=str(TOP / "lib"), tests=str(TOP / "tests"), url=f"{server.origin}/v2.1"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
        )
    said, mib = done.stdout.splitlines()
    assert "the answer broke off" in said or "is larger than 8 MiB" in said
    assert int(mib) < 48, "its memory, in MiB"


def test_what_fits_is_read_whole() -> None:
    body = b'{"x": "' + b"y" * (3 * MIB) + b'"}'
    with RawServer(
        lambda call: call.say(answer(gzip.compress(body), Content_Encoding="gzip"))
    ) as server:
        entry = {"name": "x", "auth_type": "none", "auth": {"endpoint": f"{server.origin}/v2.1"}}
        cloud = Cloud.from_config(load({"clouds": [entry], "limits": {"answer_mib": 4}}), None)
        assert cloud.get("compute", "/x") == body
        assert cloud.get("compute", "/x") == body
        assert len(server.calls) == 2


# -- nobody waits any more ---------------------------------------------------------------------


@pytest.mark.long
def test_a_stop_ends_the_wait_for_an_answer_and_the_pause_between_two() -> None:
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        for fault in ({"status": 429, "headers": {"Retry-After": "30"}}, {"hang": True}):
            cloud, stop = fake.account(), Stop(0.1)
            cloud.wait = stop.wait
            compute.servers(cloud)
            if "hang" in fault:
                fake.hooks.append(lambda request: time.sleep(1.5))
            else:
                fake.fail("servers/detail", **fault, times=99)
            threading.Timer(0.2, stop.request, ("interrupt", "Ctrl-C was pressed")).start()
            began = time.monotonic()
            with tracing_as(changes=False), pytest.raises(Interrupted, match="Ctrl-C was pressed"):
                compute.servers(cloud)
            assert time.monotonic() - began < 1.2
            fake.faults.clear()


_ASKING = """
import sys
sys.path.insert(0, {lib!r})
from engine.dispatch import dispatch
print("asking", flush=True)
kind, result = dispatch("owner.find", {{"any": "web-1"}}, {config!r})
print(kind, flush=True)
"""


@pytest.mark.long
def test_one_ctrl_c_ends_a_question_that_a_busy_cloud_keeps_waiting() -> None:
    """Its threads sleep for as long as the cloud asks for; the main thread waits for them."""
    with FakeCloud([Hypervisor("cmp-1")], [Server("a")]) as fake:
        fake.fail("GET /(compute|image)", 429, times=10**6,
                  headers={"Retry-After": "60"})  # fmt: skip
        program = _ASKING.format(lib=str(TOP / "lib"), config=fake.config())
        asking = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert asking.stdout is not None
        try:
            assert asking.stdout.readline() == "asking\n"
            until = time.monotonic() + 20
            while not fake.count("GET /compute") and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(1)
            asking.send_signal(signal.SIGINT)
            said, _ = asking.communicate(timeout=20)  # much less than a minute
        finally:
            asking.kill()
    assert said == "interrupted\n"
