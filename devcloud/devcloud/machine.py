"""The power supply of one pretended host: it reboots it, and switches it off and on."""

import argparse
import contextlib
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from devcloud import faults, machines
from devcloud.processes import stat
from devcloud.service import environment
from devcloud.settings import Settings, existing, private_file

LOOK = 0.1
ORDERS = ("reboot", "off", "on")
DOWN_SECONDS = 3.0


class Machine:
    """One pretended host, and what is running on it."""

    def __init__(self, settings: Settings, host: str) -> None:
        self._settings, self._host = settings, host
        self._folder = machines.folder(settings, host)
        self._server: subprocess.Popen | None = None

    def run(self) -> None:
        """Do what is ordered, until somebody ends this process."""
        (self._folder / "order").unlink(missing_ok=True)
        (self._folder / "off").unlink(missing_ok=True)
        self._boot()
        while True:
            if order := self._order():
                print(f"{self._host}: {order}", flush=True)
                getattr(self, f"_{order}")()
            elif self._server and self._server.poll() is not None:
                print("the SSH server has ended: it is started again", flush=True)
                self._serve()
            time.sleep(LOOK)

    def stop(self) -> None:
        """End the SSH server and all sessions; nova-compute has a process of its own."""
        if self._server is None:
            return
        found = [self._server.pid, *_below(self._server.pid)]
        for pid in found:
            _kill(pid)
        self._server.wait()
        self._server = None

    def _order(self) -> str:
        path = self._folder / "order"
        try:
            order = path.read_text().strip()
        except FileNotFoundError:
            return ""
        path.unlink()
        return order if order in ORDERS else ""

    def _reboot(self) -> None:
        self._off()
        if not (self._folder / "stays_down").exists():
            time.sleep(_number(self._folder / "down_seconds", DOWN_SECONDS))
            self._on()

    def _off(self) -> None:
        (self._folder / "off").touch()
        self.stop()
        faults.kill_compute(self._host)
        faults.kill_agents(self._host)

    def _on(self) -> None:
        if not (self._folder / "off").exists():
            return
        faults.revive_agents(self._host)
        faults.begin_compute(self._host)
        self._boot()
        (self._folder / "off").unlink()

    def _boot(self) -> None:
        """Have another boot id, and the kernel that was installed meanwhile; take logins again."""
        installed = self._folder / "next_kernel"
        if installed.exists():
            installed.replace(self._folder / "kernel")
        private_file(self._folder / "boot_id", f"{uuid.uuid4()}\n")
        self._serve()

    def _serve(self) -> None:
        settings = self._settings
        configuration = machines.server_configuration(settings, self._host)
        self._server = subprocess.Popen(
            [settings.program("sshd"), "-D", "-e", "-f", configuration],
            env=environment(settings) | settings.libraries,
            stdin=subprocess.DEVNULL,
        )


def main() -> int:
    """Be the host that the command line names, until SIGTERM."""
    parser = argparse.ArgumentParser("devcloud/machine", description=__doc__)
    parser.add_argument("host")
    machine = Machine(existing(), parser.parse_args().host)

    def end(number: int, frame: object) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    try:
        machine.run()
    finally:
        machine.stop()
    return 0


def _below(pid: int) -> Iterator[int]:
    """The processes that a process has begun, and those that these have begun."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _parent(int(entry)) == pid:
            yield int(entry)
            yield from _below(int(entry))


def _parent(pid: int) -> int | None:
    try:
        columns = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(columns[1])


def _kill(pid: int) -> None:
    if stat(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _number(path: Path, default: float) -> float:
    try:
        return float(path.read_text())
    except (FileNotFoundError, ValueError):
        return default
