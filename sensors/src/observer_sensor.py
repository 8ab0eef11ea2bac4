"""What the sensors that poll have in common.

StackStorm's own libraries come first in the process of a sensor, in versions that those of this
pack do not work with. So nothing of the pack is imported here: a poll is another process, with the
Python of the pack's virtualenv and nothing of this one's environment. It is given the configuration
on its stdin and answers in JSON on its stdout (lib/observing/child.py says how).

Pipes are read without waiting, a little at a time with a pause between: that works alike in a
process whose modules eventlet has replaced and in one in which it has not.
"""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

from st2reactor.sensor.base import PollingSensor

PACK = Path(__file__).resolve().parents[2]
REF = "openstack_ops"
PROGRAM = (
    "import importlib, sys; sys.path.insert(0, sys.argv[1]); "
    "sys.exit(importlib.import_module(sys.argv[2]).main())"
)
FIRST_TIMEOUT = 300.0
PAUSE = 0.02
MOST = 64 * 1024 * 1024
SHOWN = 2000
# What of the environment a poll is given: how names are looked up, and by which proxy.
PASSED = ("HOME", "LANG", "LC_ALL", "PATH", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


class ObserverSensor(PollingSensor):
    """Polls with the observer of the pack that ``observer`` names, and dispatches what is news.

    A poll never raises: StackStorm gives a sensor up that has done so three times.
    """

    observer = ""

    def __init__(self, sensor_service, config=None, poll_interval=60):
        super().__init__(sensor_service, config=config, poll_interval=poll_interval)
        self._log = sensor_service.get_logger(name=self.observer)
        # Who this is for the other sensor nodes, for as long as the process lives.
        self._holder = f"{os.uname().nodename}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._timeout = FIRST_TIMEOUT
        self._said = []
        self._poll = None

    def setup(self):
        """Do nothing: a poll brings its own."""

    def cleanup(self):
        """End a poll that is under way."""
        if self._poll is not None:
            self._poll.kill()

    def add_trigger(self, trigger):
        """Do nothing: triggers have no parameters."""

    def update_trigger(self, trigger):
        """Do nothing: triggers have no parameters."""

    def remove_trigger(self, trigger):
        """Do nothing: triggers have no parameters."""

    def poll(self):
        """Poll once; what goes wrong is logged, once for as long as it stays the same."""
        try:
            said = self._polled()
        except Exception as error:
            said = [f"{type(error).__name__}: {error}"]
        if said != self._said:
            for sentence in said:
                self._log.error("%s: %s", self.observer, sentence)
            if not said:
                self._log.info("%s: it sees everything again", self.observer)
        self._said = said

    def _polled(self):
        """Poll, dispatch what is news, and confirm it; return what is to be logged."""
        with Poll(self._timeout) as self._poll:
            config = dict(self.config or {})
            self._poll.ask({"observer": self.observer, "config": config, "holder": self._holder})
            events, end = [], None
            while end is None:
                answer = self._poll.answer()
                events += [answer["event"]] if "event" in answer else []
                end = answer.get("end")
            if "every" in end:
                self.set_poll_interval(end["every"])
                self._timeout = end["timeout"]
            said = list(end["said"])
            dispatched = self._dispatch(events, said)
            if dispatched:
                self._poll.ask({"dispatched": dispatched})
                self._poll.answer()
        return said

    def _dispatch(self, events, said):
        """Dispatch events in their order; return the ids of those for which it has worked.

        After one that could not be dispatched none is: they come again, in the same order.
        """
        dispatched = []
        for event in events:
            trigger, payload = f"{REF}.{event['trigger']}", event["payload"]
            try:
                self.sensor_service.dispatch(trigger=trigger, payload=payload)
            except Exception as error:
                said.append(f"{trigger} could not be dispatched: {error}")
                break
            dispatched.append(payload["id"])
        return dispatched


class Poll:
    """A process that polls, by a module of the library.

    It is killed with all that it has started when its time is over.
    """

    def __init__(self, seconds, module="observing.child"):
        self._module = module
        self._until = time.monotonic() + seconds
        self._process = None
        self._read = b""
        self._complaints = b""

    def __enter__(self):
        # The command line is this file's own, and has no secret in it.
        self._process = subprocess.Popen(  # noqa: S603
            [python(), "-I", "-c", PROGRAM, str(PACK / "lib"), self._module],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            cwd="/",
            start_new_session=True,
        )
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            os.set_blocking(pipe.fileno(), False)
        return self

    def __exit__(self, kind, *_):
        process = self._process
        try:
            process.stdin.close()
            if kind is None:  # it has answered, and ends by itself
                self._wait(lambda: process.poll() is not None, 5.0)
        finally:
            self.kill()
            for pipe in (process.stdout, process.stderr):
                pipe.close()

    def extend(self, seconds):
        """Give it time anew."""
        self._until = time.monotonic() + seconds

    def kill(self):
        """Kill the process and all that it has started."""
        while self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            time.sleep(PAUSE)

    def ask(self, what):
        """Write a line to it. Raises OSError or TimeoutError."""
        left = memoryview(json.dumps(what, default=str).encode() + b"\n")
        while left:
            try:
                written = self._process.stdin.write(left)
            except BrokenPipeError:
                raise OSError(self._died()) from None
            left = left[written or 0 :]
            if left:
                self._pause()

    def answer(self):
        """Return its next answer. Raises OSError if there is none, TimeoutError when it is late."""
        while b"\n" not in self._read:
            chunk = self._process.stdout.read(1 << 16)
            self._hear()
            if chunk == b"":
                raise OSError(self._died())
            if chunk is None:
                self._pause()
                continue
            self._read += chunk
            if len(self._read) > MOST:
                raise OSError("the poll has answered too much")
        line, _, self._read = self._read.partition(b"\n")
        return json.loads(line)

    def _hear(self):
        heard = self._process.stderr.read(1 << 16)
        self._complaints = (self._complaints + (heard or b""))[-SHOWN:]

    def _died(self):
        self._wait(lambda: self._process.poll() is not None, 5.0)
        self._hear()
        last = self._complaints.decode(errors="replace").strip().splitlines()[-1:]
        why = f": {last[0]}" if last else ""
        return f"the poll has ended with {self._process.poll()} and without an answer{why}"

    def _pause(self):
        self._hear()
        if time.monotonic() > self._until:
            raise TimeoutError("the poll has taken longer than its timeout, and was killed")
        time.sleep(PAUSE)

    @staticmethod
    def _wait(done, seconds):
        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until:
            time.sleep(PAUSE)


def python():
    """Return the Python of the pack's virtualenv: StackStorm's, the folder's own, or this one."""
    for virtualenv in (PACK.parents[1] / "virtualenvs" / PACK.name, PACK / ".venv"):
        found = virtualenv / "bin" / "python"
        if os.access(found, os.X_OK):
            return str(found)
    return sys.executable


def environment():
    """Return the environment of a poll: nothing of Python's, and nothing of StackStorm's."""
    passed = {*PASSED, *PROXIES, *map(str.upper, PROXIES)}
    return {name: value for name, value in os.environ.items() if name in passed}
