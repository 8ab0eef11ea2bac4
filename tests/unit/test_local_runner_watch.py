"""./runbook watch: what sensors tell, in lines, as JSON, or in a table that stays in place."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_runner.app import main
from state.files import remember
from state.observations import Observations
from state.store import Store
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.fake_cloud_tables import Tables
from support.runs import toy_house

TOP = Path(__file__).parents[2]


class Place:
    """A cloud with two hypervisors, and the configuration of whoever watches it."""

    def __init__(self, fake: FakeCloud, state_url: str, folder: Path) -> None:
        self.fake, self.path, self.state_url = fake, folder / "config.yaml", state_url
        sensors = {"hypervisor_state": {"steady_looks": 1, "due_trait": ""}}
        self.path.write_text(yaml.safe_dump(fake.config(state_url=state_url, sensors=sensors)))
        self.path.chmod(0o600)

    def watch(self, *words: str) -> int:
        return main(["watch", "hypervisor_state", "--config", str(self.path), *words])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("HOME", str(tmp_path))
    hosts = [Hypervisor("cmp-1", state="down"), Hypervisor("cmp-2")]
    with toy_house() as (house, _), FakeCloud(hosts) as fake:
        fake.part(Tables)
        yield Place(fake, house.state_url, tmp_path)


def test_what_is_news_is_shown_once(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.watch("--once") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert " fake: hypervisor cmp-1 is DOWN (host cmp-1, service down" in line
    place.fake.hypervisors[0].state = "up"
    assert place.watch("--once", "--json") == 0, "the first has given up its turn"
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (event["payload"]["change"], event["payload"]["before"]) == ("changed", "DOWN")


def test_who_polls_instead_is_said(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(Store(place.state_url)) as store:
        Observations(store).take("hypervisor_state", "fake", "a sensor", 60.0)
    assert place.watch("--once", "--json") == 0
    (waits,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert waits["error"] == "polled by a sensor"


@pytest.mark.parametrize("more", [[], ["--rules"]], ids=["alone", "with rules"])
def test_a_state_store_that_is_lost_is_said(
    place: Place, more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.watch("--once") == 0
    capsys.readouterr()
    path = Path(place.state_url.removeprefix("sqlite:///"))
    path.unlink()
    remember(path, "the one that was")
    assert place.watch("--once", *more) == 1
    assert capsys.readouterr().err.startswith("runbook: The state store ")


def test_json_is_what_is_dispatched(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.watch("--once", "--json", "--cloud", "fake") == 0
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert event["trigger"] == "hypervisor_state"
    assert (event["payload"]["change"], event["payload"]["state"]) == ("new", "DOWN")


def test_a_cloud_that_does_not_answer_is_said_and_fails(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.fake.fail("POST /identity/v3/auth/tokens", 401, times=99)
    assert place.watch("--once") == 1
    assert capsys.readouterr().out.startswith("hypervisor_state of fake: ")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["watch", "hypervisor_stat"], "no sensor 'hypervisor_stat'"),
        (["watch", ","], "Which sensor?"),
        (["watch", "hypervisor_state", "--every", "5"], "--every"),
        (["watch", "hypervisor_state", "--every", "0s"], "--every"),
        (["watch", "hypervisor_state", "--cloud", "fakee"], "no cloud 'fakee'"),
    ],
)
def test_what_there_is_not_is_refused(
    place: Place, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--once", "--config", str(place.path)]) == 2
    assert says in capsys.readouterr().err


@contextmanager
def _started(place: Place, *words: str, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, str(TOP / "runbook"), "watch", "hypervisor_state"]
    command += ["--config", str(place.path), "--every", "1s", *words]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(command, env=env, **how) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.long
def test_ctrl_c_ends_it_cleanly(place: Place) -> None:
    with _started(place, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"cmp-1 is DOWN" in process.stdout.readline()
        place.fake.hypervisors[0].state = "up"
        assert b"cmp-1 is EMPTY, was DOWN" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.long
def test_a_terminal_has_a_table_that_stays_in_place(place: Place) -> None:
    ours, theirs = pty.openpty()
    with _started(place, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown, until = b"", time.monotonic() + 60
        while shown.count(b"1 DOWN, 1 EMPTY") < 2 and time.monotonic() < until:
            shown += os.read(ours, 4096)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    os.close(ours)
    assert b"hypervisor cmp-1 is DOWN" in shown
    assert b"\x1b[1A" in shown, "the cursor goes back up, to draw over what is there"
    assert process.returncode == 0
