"""Running commands: how they end, what they print, and what is known when nobody saw the end."""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.errors import CloudError, Interrupted
from ssh_api.boots import Boot, boot
from ssh_api.channels import NoAnswer, NotStarted
from ssh_api.output import FIRST, LAST, Kept, Lines
from ssh_api.running import Ended, run
from ssh_api.sessions import session
from support.ssh_host import Behaviour, Command, Host, a_host, account

DONE = threading.Event()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with a_host() as host:
        yield host


@pytest.fixture
def asked(host: Host, tmp_path: Path) -> Callable[..., Ended]:
    """Run a command on a host that behaves so."""

    def ask(behaviour: Behaviour, timeout: float = 10, **how: object) -> Ended:
        host.behaviour = behaviour
        with session(account(host, tmp_path), "127.0.0.1") as opened:
            return run(opened, ["work", "a b"], timeout=timeout, **how)  # type: ignore[arg-type]

    return ask


def test_a_command_is_sent_as_it_is_quoted(host: Host, asked: Callable[..., Ended]) -> None:
    host.commands.clear()
    ended = asked(Command.exit)
    assert host.commands == ["work 'a b'"]
    assert (ended.status, ended.signal, ended.known, ended.output) == (0, None, True, "")


def test_both_streams_are_heard_and_the_status_with_them(asked: Callable[..., Ended]) -> None:
    def behaviour(command: Command) -> None:
        command.say(b"one\n")
        command.complain(b"two\n")
        command.say(b"three")
        command.exit(3)

    lines: list[str] = []
    ended = asked(behaviour, take=lines.append)
    assert ended.status == 3
    assert sorted(lines) == ["one", "three", "two"]
    assert ended.output.split("\n") == lines
    assert ended.how == "it ended with 3"


def test_a_process_may_have_many_files_open(asked: Callable[..., Ended]) -> None:
    """select(2) waits for the first thousand alone."""

    def behaviour(command: Command) -> None:
        time.sleep(0.1)
        command.say(b"fine\n")
        command.exit()

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(2048, before[0]), before[1]))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert asked(behaviour).output == "fine"
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_signal_is_heard(asked: Callable[..., Ended]) -> None:
    ended = asked(lambda command: command.die("SEGV"))
    assert (ended.status, ended.signal, ended.known) == (None, "SEGV", True)
    assert ended.how == "it was ended by the signal SEGV"


@pytest.mark.long
def test_a_cut_session_leaves_it_unknown(asked: Callable[..., Ended]) -> None:
    def behaviour(command: Command) -> None:
        command.say(b"half of it\nand ha")
        time.sleep(0.1)
        command.cut()

    ended = asked(behaviour)
    assert (ended.known, ended.how) == (False, "the session was cut")
    assert ended.output == "half of it\nand ha"


def test_an_end_without_a_status_leaves_it_unknown(asked: Callable[..., Ended]) -> None:
    assert not asked(lambda command: command.channel.close()).known


def test_a_refusal_ran_nothing(host: Host, asked: Callable[..., Ended]) -> None:
    host.refuses = True
    try:
        with pytest.raises(NotStarted, match="refuses to run commands"):
            asked(Command.exit)
    finally:
        host.refuses = False


@pytest.mark.long
def test_a_server_that_does_not_answer_may_have_run_it(
    host: Host, asked: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(host, "obey", lambda command: gate.wait(20))
    with pytest.raises(NoAnswer, match="did not say within"):
        asked(Command.exit, timeout=0.3)
    gate.set()


def test_a_session_that_ends_before_the_answer_leaves_it_unknown(
    host: Host, asked: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "obey", lambda command: command.cut())
    with pytest.raises(NoAnswer, match="the session ended"):
        asked(Command.exit)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing have long to end after a signal."""
    monkeypatch.setattr("ssh_api.running._DIES", 0.2)
    monkeypatch.setattr("ssh_api.running._HEARD", 0.1)


@pytest.mark.long
@pytest.mark.usefixtures("hasty")
def test_a_hanging_command_is_given_up(host: Host, asked: Callable[..., Ended]) -> None:
    """This server passes on no signal, and what kills is run by nobody: nothing is known then."""
    host.commands.clear()
    ended = asked(lambda command: DONE.wait(10), timeout=0.3)
    assert (ended.timed_out, ended.known, ended.how) == (True, False, "its time was up")
    sent = [text for text in host.commands if "kill" in text]
    assert [text.partition("kill -s ")[2][:4] for text in sent] == ["TERM", "KILL"]


@pytest.mark.long
@pytest.mark.usefixtures("hasty")
def test_a_hanging_command_that_dies_has_ended(asked: Callable[..., Ended]) -> None:
    def behaviour(command: Command) -> None:
        if "kill" in command.text:
            hanging[0].die("TERM")
            command.exit()
        else:
            hanging.append(command)

    hanging: list[Command] = []
    ended = asked(behaviour, timeout=0.2)
    assert (ended.timed_out, ended.known, ended.signal) == (True, True, "TERM")


@pytest.mark.long
@pytest.mark.usefixtures("hasty")
def test_what_is_told_to_stop_ends_the_command(host: Host, asked: Callable[..., Ended]) -> None:
    def check() -> None:
        raise Interrupted("It was left where it is: somebody said so.")

    host.commands.clear()
    with pytest.raises(Interrupted, match="somebody said so"):
        asked(lambda command: DONE.wait(5), check=check)
    assert any("kill -s TERM" in text for text in host.commands)


@pytest.mark.long
def test_no_character_is_split_on_a_slow_network(asked: Callable[..., Ended]) -> None:
    text = "grün €5 \U0001f600\n"

    def behaviour(command: Command) -> None:
        for byte in text.encode():
            command.say(bytes([byte]))
            time.sleep(0.01)
        command.exit()

    assert asked(behaviour).output == text.rstrip("\n")


@pytest.mark.long
def test_output_that_outlives_the_command_is_not_waited_for_long(
    asked: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ssh_api.running._DRAINS", 0.2)

    def behaviour(command: Command) -> None:
        command.say(b"begun\n")
        command.channel.send_exit_status(0)
        DONE.wait(10)

    ended = asked(behaviour)
    assert (ended.status, ended.output) == (0, "begun")
    assert ended.seconds < 5


@pytest.mark.long
def test_a_hundred_megabytes_are_kept_in_little_memory(asked: Callable[..., Ended]) -> None:
    block = b"x" * 999 + b"\n"

    def behaviour(command: Command) -> None:
        for _ in range(1000):
            command.say(block * 100)
        command.exit()

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ended = asked(behaviour, timeout=300)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert ended.status == 0
    assert ended.left_out + len(ended.output) >= 100_000_000 - FIRST
    assert len(ended.output) <= FIRST + LAST + 100
    assert grown < 50 * 1024, f"{grown} KiB"


def test_a_boot_is_told_by_its_id_and_its_kernel(host: Host, tmp_path: Path) -> None:
    given = account(host, tmp_path)
    with session(given, "127.0.0.1") as opened:
        assert boot(given, opened) == Boot("boot-1", "6.1.0")


def test_a_host_that_does_not_tell_its_boot_is_said(host: Host, tmp_path: Path) -> None:
    def behaviour(command: Command) -> None:
        command.complain(b"no such file\n")
        command.exit(1)

    host.behaviour = behaviour
    given = account(host, tmp_path, boot_id=["boot-of"])
    with (
        session(given, "127.0.0.1") as opened,
        pytest.raises(CloudError, match=r"by boot-of which boot.* ended with 1: no such file"),
    ):
        boot(given, opened)
    given = account(host, tmp_path, boot_id=[], kernel=[])
    with session(given, "127.0.0.1") as opened:
        assert boot(given, opened) == Boot("", "")


def lines_of(*parts: bytes) -> list[str]:
    found: list[str] = []
    stream = Lines(found.append)
    for part in parts:
        stream.feed(part)
    stream.feed(b"", last=True)
    return found


@pytest.mark.parametrize(
    ("parts", "lines"),
    [
        ([b"a\nb\n"], ["a", "b"]),
        ([b"a\r", b"\nb"], ["a", "b"]),
        ([b"10%\r20%\r", b"30%\n"], ["10%", "20%", "30%"]),
        (["ü".encode()[:1], "ü".encode()[1:]], ["ü"]),
        ([b"\xff\xfe\n"], ["\ufffd\ufffd"]),
        ([b"\xe2\x82"], ["\ufffd"]),
        ([b"\n\n"], ["", ""]),
        ([], []),
    ],
)
def test_bytes_become_lines(parts: list[bytes], lines: list[str]) -> None:
    assert lines_of(*parts) == lines


def test_what_has_no_line_ends_is_cut() -> None:
    found = lines_of(*[("ä" * 3333).encode()] * 3)
    assert "".join(found) == "ä" * 9999
    assert max(map(len, found)) == 4000


def test_the_start_and_the_end_are_kept() -> None:
    kept = Kept(first=30, last=30)
    for number in range(100):
        kept.add(f"line {number}")
    assert kept.text.startswith("line 0\nline 1\nline 2\nline 3\n[...")
    assert kept.text.endswith("\nline 97\nline 98\nline 99")
    shown = sum(len(line) + 1 for line in kept.text.split("\n") if "..." not in line)
    assert shown + kept.left_out == sum(len(f"line {n}") + 1 for n in range(100))
    assert kept.end == "line 99"
