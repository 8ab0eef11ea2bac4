"""What several processes do to one state store at once.

One process imports everything and then forks, for each call, eight that start together: it is
imported once and not eight times, and none of them has inherited anything of a database.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

# All that is imported late, so that a process that becomes another user need not read it.
import alembic.command  # noqa: F401
import pymysql  # noqa: F401
import pytest
import sqlalchemy.dialects.mysql.pymysql
import sqlalchemy.dialects.sqlite.pysqlite  # noqa: F401

import state.upgrade  # noqa: F401
from common.errors import Held, UserError
from state.journal import Journal
from state.store import Store
from support.state import attempt, begin, new_run, take

PROCESSES = 8
#: Two users of one group, that need not be known to the system.
GROUP, USERS = 61000, (61001, 61002)
_PATIENCE = 120


class Processes:
    """Runs functions of this module in processes of their own, told apart by their number."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._forker = subprocess.Popen(
            [sys.executable, "-c", "from support.state_workers import _serve; _serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )

    def all_at_once(self, what: Callable[..., Any], *args: Any, users: bool = False) -> list[Any]:
        """Run ``what(number, *args)`` in eight processes at once and return what they returned.

        With ``users`` they belong to two users of one group, if this is root.
        """
        answers = self._ask("eight", what, args, users)
        errors = [text for ok, text in answers if not ok]
        assert not errors, "\n".join(errors)
        return [value for _, value in answers]

    def start(self, what: Callable[..., Any], *args: Any) -> int:
        """Start one process that runs until it is killed; return its id."""
        return int(self._ask("start", what, (0, *args), False))

    def kill(self, process: int) -> None:
        """Kill a process that was started, as nothing can be prepared for, and wait for its end."""
        os.kill(process, signal.SIGKILL)
        assert self._ask("reap", None, (process,), False) == -signal.SIGKILL

    def close(self) -> None:
        """End the process that forks."""
        self._forker.communicate()

    def _ask(self, verb: str, what: Callable[..., Any] | None, args: Any, users: bool) -> Any:
        assert self._forker.stdin is not None
        assert self._forker.stdout is not None
        pickle.dump((verb, what.__name__ if what else "", args, users), self._forker.stdin)
        self._forker.stdin.flush()
        return pickle.load(self._forker.stdout)


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Processes that wait for work."""
    made = Processes()
    yield made
    made.close()


def _serve() -> None:
    """Be the process that forks."""
    while True:
        try:
            verb, name, args, users = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        if verb == "eight":
            answer: Any = _eight(globals()[name], args, users)
        elif verb == "start":
            answer = os.fork() or _run(globals()[name], args)
        else:
            answer = os.waitstatus_to_exitcode(os.waitpid(args[0], 0)[1])
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def _run(what: Callable[..., Any], args: Any) -> NoReturn:
    try:
        what(*args)
    except BaseException:
        traceback.print_exc()
    os._exit(1)


def _eight(what: Callable[..., Any], args: Any, users: bool) -> list[tuple[bool, Any]]:
    gate, opener = os.pipe()
    answers = []
    for number in range(PROCESSES):
        answer, writer = os.pipe()
        if os.fork() == 0:
            os.close(opener)
            signal.alarm(_PATIENCE)
            _answer(gate, writer, what, (number, *args), users)
        os.close(writer)
        answers.append(answer)
    os.close(gate)
    os.close(opener)
    said = [_read(answer) for answer in answers]
    for _ in answers:
        os.wait()
    return said


def _answer(gate: int, writer: int, what: Callable[..., Any], args: Any, users: bool) -> NoReturn:
    try:
        if users:
            _become(USERS[args[0] % len(USERS)])
        os.read(gate, 1)  # returns when the forker closes it, for all eight at once
        said = (True, what(*args))
    except BaseException:
        said = (False, traceback.format_exc())
    with open(writer, "wb") as pipe:
        pickle.dump(said, pipe)
    os._exit(0)


def _read(answer: int) -> tuple[bool, Any]:
    with open(answer, "rb") as pipe:
        data = pipe.read()
    return pickle.loads(data) if data else (False, "a process died without a word")


def _become(user: int) -> None:
    """Become a user of the group, with the umask that most have."""
    os.umask(0o022)
    if os.geteuid() == 0:
        os.setgroups([GROUP])
        os.setgid(GROUP)
        os.setuid(user)


def first_use(number: int, url: str) -> str:
    """Open a store that may not be there yet and write a run into it."""
    store = Store(url)
    try:
        run = new_run(requested_by=f"user {os.geteuid()}")
        Journal(store).create(run, "planned")
        return run.id
    finally:
        store.close()


def reopen(number: int, url: str, times: int) -> int:
    """Open and close the store again and again, writing each time; return how often."""
    for _ in range(times):
        first_use(number, url)
    return times


def claim(number: int, url: str, subjects: list[str]) -> tuple[str, str]:
    """Claim subjects for a run of one's own; return (run, who holds them)."""
    store = Store(url)
    try:
        journal = Journal(store)
        mine = begin(journal)
        try:
            journal.claim(*mine.fence, subjects)
        except Held as held:
            return mine.run, held.run
        return mine.run, mine.run
    finally:
        store.close()


def by_trigger(number: int, url: str, trigger: str) -> tuple[bool, str]:
    """Begin a run for a trigger instance; return (begun, the run of the trigger)."""
    store, run = Store(url), new_run(trigger_id=trigger)
    try:
        Journal(store).create(run, "planned")
    except Held as held:
        return False, held.run
    finally:
        store.close()
    return True, run.id


def take_over(number: int, url: str, run: str) -> int | None:
    """Try to take a run over; return the generation, None if somebody else has it."""
    store = Store(url)
    try:
        return take(Journal(store), run).generation
    except UserError:
        return None
    finally:
        store.close()


def work(number: int, url: str, pairs: int) -> tuple[float, float]:
    """Carry out a run of ``pairs`` attempts; return when that began and ended."""
    store = Store(url)
    try:
        journal = Journal(store)
        mine = begin(journal, "one")
        attempt(journal, mine, "one")  # the first one costs more
        began = time.monotonic()
        for _ in range(pairs):
            attempt(journal, mine, "one")
        return began, time.monotonic()
    finally:
        store.close()


def half_a_transaction(number: int, url: str, sign: str) -> None:
    """Write, say so by making a file, and never commit."""
    journal = Journal(Store(url))
    mine = begin(journal, "one", id="half")
    with journal.fenced(*mine.fence) as tx:
        tx.exec_driver_sql("UPDATE steps SET state = 'done'")
        Path(sign).touch()
        signal.pause()


def refused(number: int, url: str) -> str:
    """Return what is said when the store cannot be opened."""
    try:
        Store(url)
    except UserError as error:
        return str(error)
    return ""


def work_until_killed(number: int, url: str) -> None:
    """Write without end, in two threads."""
    journal = Journal(Store(url))
    mine = begin(journal, "one", "two")
    journal.claim(*mine.fence, [f"server:{uuid.uuid4()}" for _ in range(3)])

    def one(key: str) -> None:
        while True:
            attempt(journal, mine, key)

    threading.Thread(target=one, args=("two",), daemon=True).start()
    one("one")
