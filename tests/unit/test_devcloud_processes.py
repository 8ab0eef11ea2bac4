"""Processes of a devcloud: only what it has started is stopped, and all of that."""

import json
import subprocess
import sys
import threading
import time

import pytest

from devcloud.errors import DevcloudError
from devcloud.processes import Process, boot_id, stat
from devcloud.steps import Step, run_steps

FORKS_AND_STAYS = "import os, time; os.fork(); time.sleep(60)"
DIES_LEAVING_A_CHILD = "import os, time; os.fork() or time.sleep(60)"
IGNORES_TERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(60)"
)


@pytest.fixture
def process(tmp_path):
    process = Process("sleeper", tmp_path, tmp_path)
    yield process
    process.kill()


def start(process, code):
    return process.start([sys.executable, "-c", code], {})


def until(is_so):
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end, "not so within 10 s"
        time.sleep(0.02)


def test_start_and_stop(process):
    pid = start(process, "import time; time.sleep(60)")
    assert process.pid() == pid
    assert process.memory() > 0
    process.stop(seconds=5)
    assert process.pid() is None
    assert stat(pid) is None
    assert not process.record.exists()


def test_its_children_end_with_it(process):
    start(process, FORKS_AND_STAYS)
    until(lambda: len(process.members()) == 2)
    members = process.members()
    process.stop(seconds=5)
    assert [stat(pid) for pid in members] == [None, None]


def test_what_outlives_it_is_found_and_ended_before_the_next_start(process):
    pid = start(process, DIES_LEAVING_A_CHILD)
    until(lambda: stat(pid) is None)
    (orphan,) = process.members()
    start(process, "import time; time.sleep(60)")
    assert stat(orphan) is None


@pytest.mark.long
def test_what_ignores_term_is_killed(process):
    start(process, IGNORES_TERM)
    until(lambda: "ready" in process.last_words())
    process.stop(seconds=0.2)
    assert process.members() == []


def test_a_recycled_pid_is_somebody_else(process):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        record = {"pid": stranger.pid, "started": 1, "boot": boot_id()}
        process.record.write_text(json.dumps(record))
        assert process.pid() is None
        assert process.members() == []
        process.stop(seconds=1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_record_of_an_earlier_boot_means_nothing(process):
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        started = stat(stranger.pid).started
        record = {"pid": stranger.pid, "started": started, "boot": "an earlier one"}
        process.record.write_text(json.dumps(record))
        assert process.pid() is None
        process.kill()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_last_words_are_the_end_of_the_log(process):
    process.log_file.write_text("".join(f"line {number}\n" for number in range(100)))
    assert process.last_words(2) == "line 98\nline 99"


def test_steps_run_after_what_they_need():
    done = []
    steps = [
        Step("roof", lambda: done.append("roof"), after=("wall",)),
        Step("wall", lambda: done.append("wall"), after=("floor",)),
        Step("floor", lambda: done.append("floor")),
    ]
    run_steps(steps, threading.Event())
    assert done == ["floor", "wall", "roof"]


def test_the_first_failure_is_told_and_what_needs_it_is_not_run():
    given_up, done = threading.Event(), []

    def fail():
        raise DevcloudError("the floor is wet")

    steps = [Step("wall", lambda: done.append("wall"), after=("floor",)), Step("floor", fail)]
    with pytest.raises(DevcloudError, match="the floor is wet"):
        run_steps(steps, given_up)
    assert given_up.is_set()
    assert done == []


def test_a_step_that_needs_what_is_not_there_is_refused():
    with pytest.raises(DevcloudError, match="no such step: cellar"):
        run_steps([Step("floor", lambda: None, after=("cellar",))], threading.Event())
