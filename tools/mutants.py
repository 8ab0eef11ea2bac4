"""Break the code in ways that matter, one at a time, and see that a test notices each.

The faults stand in mutants.yaml: a text of a file, what takes its place, what is broken by that,
and the tests that have to notice. Each is put into a scratch copy of the repository and those tests
are run on it. Some change nothing that can be seen (``equivalent``), others are seen only on a real
cloud (``elsewhere``): they stand there with the reason, and are not run.

python tools/mutants.py [--sample N] [--seed N] [--only TEXT] [--jobs N]
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import msgspec

Answer = TypeVar("Answer")
TOP = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".yaml")
# The share of faults that has to be noticed.
_WANTED = 0.95
# Seconds after which tests that hang on a fault have noticed it.
_LONGEST = 45.0
# Also those that take long, and are left out if nobody asks for them.
_ALL = "(long or not long) and not cloud"
# What pytest exits with when a test failed, or could not be imported.
_FAILED = (1, 2)
_IGNORED = (".git", ".venv*", ".devcloud*", ".ci-state", "build", ".*_cache", ".hypothesis")


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to break the code: ``before`` gives way to ``after``.

    ``tests`` are files, or tests and classes in them as ``file::name``; without any, those of its
    file.
    """

    what: str
    before: str
    after: str
    tests: tuple[str, ...] = ()
    equivalent: str = ""
    elsewhere: str = ""
    file: str = ""

    @property
    def is_run(self) -> bool:
        """Whether a test of those that need no cloud has to notice it."""
        return not (self.equivalent or self.elsewhere)

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


class _Broken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file with its faults and the tests that notice most of them."""

    file: str
    tests: tuple[str, ...]
    faults: tuple[Fault, ...]


def faults(path: Path = LIST) -> list[Fault]:
    """Return the faults of the list, each with its file and tests."""
    listed = msgspec.yaml.decode(path.read_bytes(), type=list[_Broken])
    return [
        msgspec.structs.replace(fault, file=broken.file, tests=fault.tests or broken.tests)
        for broken in listed
        for fault in broken.faults
    ]


def stale(fault: Fault, top: Path = TOP) -> str:
    """Return why a fault no longer fits the code or the tests; nothing if it does."""
    path = top / fault.file
    if not path.is_file():
        return "there is no such file"
    if (times := _text(path).count(fault.before)) != 1:
        return f"its text stands there {times} times: {fault.before!r}"
    for test in fault.tests:
        file, _, name = test.partition("::")
        if not (top / file).is_file():
            return f"there is no {file}"
        made = re.compile(rf"^(def|class) {name}\b", re.MULTILINE)
        if name and not made.search(_text(top / file)):
            return f"there is no {test}"
    return ""


def senseless(fault: Fault, top: Path = TOP) -> str:
    """Return why what a fault makes of its file is no other program; nothing if it is one."""
    source = _text(top / fault.file)
    try:
        broken = ast.parse(source.replace(fault.before, fault.after))
    except SyntaxError as error:
        return f"what it makes of the file is no Python: {error}"
    return "it changes nothing" if ast.dump(broken) == ast.dump(ast.parse(source)) else ""


@cache
def _text(path: Path) -> str:
    return path.read_text()


class Copy:
    """A scratch copy of the repository, in which one fault at a time is tried."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Bytecode is told from its source's by the second of its last change: none is used twice.
        self._second = time.time() - 1_000_000
        shutil.copytree(TOP, folder, ignore=shutil.ignore_patterns(*_IGNORED))

    def fails(self, tests: Sequence[str], within: float | None = None) -> str:
        """Run tests; return the first that fails, or nothing. Raises RuntimeError if none ran.

        Those that do not end ``within`` so many seconds have failed.
        """
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
        command += ["-m", _ALL]
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [*command, *tests],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return f"it hung for {within:.0f} s"
        if process.returncode not in (0, *_FAILED):
            raise RuntimeError(f"no test was run: {said[-2000:]}")
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
        return (failed[1] if failed else "a test") if process.returncode else ""

    @contextmanager
    def broken(self, fault: Fault) -> Iterator[None]:
        """Put a fault into the copy while the block runs."""
        path = self.folder / fault.file
        source = path.read_text()
        self._write(path, source.replace(fault.before, fault.after))
        try:
            yield
        finally:
            self._write(path, source)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        self._second += 2
        os.utime(path, (self._second, self._second))


def noticed(fault: Fault, copy: Copy) -> str:
    """Return which test notices a fault, or nothing; the likeliest are run first, by themselves."""
    with copy.broken(fault):
        found = (copy.fails([test], _LONGEST) for test in fault.tests)
        return next(filter(None, found), "")


def main() -> int:
    """Try the faults; return 0 if enough of them were noticed, else 1."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sample", type=int, help="try only so many, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="what --sample chooses by")
    parser.add_argument("--only", default="", help="try only those whose file or sentence has it")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at once")
    options = parser.parse_args()
    listed = [one for one in faults() if options.only in str(one)]
    if unfit := [f"{one}: {why}" for one in listed if (why := stale(one) or senseless(one))]:
        print("\n".join(["The list no longer fits the code:", *unfit]))
        return 1
    tried = [one for one in listed if one.is_run]
    if options.sample is not None:
        chosen = random.Random(options.seed)  # noqa: S311 - it keeps no secret
        tried = chosen.sample(tried, min(options.sample, len(tried)))
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copies = [Copy(Path(folder, str(number))) for number in range(options.jobs)]
        if wrong := _failing(copies, tried):
            print(f"Without any fault, {wrong} fails.")
            return 1
        missed = _tried(copies, tried)
    found = len(tried) - len(missed)
    print(f"{found} of {len(tried)} faults were noticed.")
    for word in ("equivalent", "elsewhere"):
        print(f"Not tried, {word}: {sum(bool(getattr(one, word)) for one in listed)}.")
    return int(found < _WANTED * len(tried))


def _failing(copies: Sequence[Copy], tried: Sequence[Fault]) -> str:
    """Return which of the tests that are to notice the faults fails without any; or nothing."""
    tests = sorted({test for one in tried for test in one.tests})
    parts = [tests[number :: len(copies)] for number in range(len(copies))]
    return " and ".join(filter(None, _each(copies, Copy.fails, filter(None, parts))))


def _tried(copies: Sequence[Copy], tried: Sequence[Fault]) -> list[Fault]:
    """Try faults, say what became of each, and return those that no test noticed."""
    missed = []

    def attempt(copy: Copy, fault: Fault) -> None:
        began = time.monotonic()
        test = noticed(fault, copy)
        took = f"{time.monotonic() - began:5.1f} s"
        print(f"{took}  {'noticed' if test else 'MISSED '}  {fault}  [{test}]", flush=True)
        if not test:
            missed.append(fault)

    _each(copies, attempt, tried)
    return missed


def _each(
    copies: Sequence[Copy], do: Callable[..., Answer], things: Iterable[object]
) -> list[Answer]:
    """Do something with each of the things, in a copy that nobody else uses meanwhile."""
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def once(thing: object) -> Answer:
        copy = free.get()
        try:
            return do(copy, thing)
        finally:
            free.put(copy)

    pool = ThreadPoolExecutor(len(copies))
    try:
        return list(pool.map(once, things))
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, too


if __name__ == "__main__":
    sys.exit(main())
