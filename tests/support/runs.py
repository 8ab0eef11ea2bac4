"""Dispatching toy runbooks in a test: a state store, a configuration, and who asks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from engine.dispatch import dispatch
from state.journal import Journal
from state.records import RunRecord
from state.store import Store
from support.sample_runbooks import Fault, World
from workflow_api import Requester
from workflow_api.workflow import workflow_named

PERSON = Requester(user="ann", origin="test")
_one_at_a_time = threading.Lock()
LIMITS = {"lease": "30s", "grace": "10s"}


def folder() -> Path:
    """Return a new folder in memory if the machine has one: a test need not wait for a disk."""
    shared = Path("/dev/shm")
    return Path(mkdtemp(prefix="openstack-ops-", dir=shared if shared.is_dir() else None))


@cache
def _template() -> Path:
    # Making the schema takes longer than most tests.
    path = folder() / "state.db"
    Store(f"sqlite:///{path}").close()
    return path


def new_state(path: Path) -> str:
    """Make an empty state store and return its URL."""
    with _one_at_a_time:  # alembic keeps what it migrates in globals
        template = _template()
    shutil.copy(template, path)
    return f"sqlite:///{path}"


@dataclass
class Silent:
    """A reporter that keeps what it was told."""

    lines: list[str] = field(default_factory=list)
    columns: int = 0
    shows_steps: bool = False

    def say(self, text: str) -> None:
        self.lines.append(text)

    def began(self, run: str, title: str, total: int, ended: Collection[str]) -> None:
        self.lines.append(f"run {run}")

    def started(self, key: str, sentence: str) -> None:
        self.lines.append(f"start {sentence}")

    def ended(self, key: str, sentence: str, state: str, detail: str) -> None:
        self.lines.append(f"{state} {sentence}: {detail}")


def for_real(name: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters that carry a changing workflow out, unless they say that it is not to."""
    changes = workflow_named(name).changes
    return {"dry_run": False, **parameters} if changes else dict(parameters)


@contextmanager
def toy_house(**faults: list[Fault]) -> Iterator[tuple[House, World]]:
    """Give an empty state store and a world in which that goes wrong."""
    place = folder()
    try:
        world = World.make(place / "world.json", **faults)
        yield House(new_state(place / "state.db")), world
    finally:
        shutil.rmtree(place)


@dataclass
class House:
    """A state store and the configuration that names it."""

    state_url: str
    limits: dict[str, Any] = field(default_factory=lambda: dict(LIMITS))
    reporter: Silent = field(default_factory=Silent)
    allowed: list[str] = field(default_factory=lambda: ["/"])

    @property
    def config(self) -> dict[str, Any]:
        return {
            "state_url": self.state_url,
            "limits": self.limits,
            "files": {"allowed": self.allowed},
        }

    def ask(
        self, name: str, requester: Requester = PERSON, **parameters: Any
    ) -> tuple[str, dict[str, Any]]:
        """Dispatch a workflow, for real unless it is to be a dry run."""
        reporter = self.reporter
        parameters = for_real(name, parameters)
        return dispatch(name, parameters, self.config, requester=requester, reporter=reporter)

    def work(self, *stages: dict[str, Any], **more: Any) -> tuple[str, dict[str, Any]]:
        """Start ``toy.work`` with these stages."""
        return self.ask("toy.work", stages=list(stages), **more)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        """Look into the journal."""
        store = Store(self.state_url)
        try:
            yield Journal(store)
        finally:
            store.close()

    def run(self, run_id: str) -> RunRecord:
        """Return a run as it is journalled."""
        with self.journal() as journal:
            return journal.run(run_id)

    def states(self, run_id: str) -> dict[str, str]:
        """Return the state of each step, by what stands after the function's name in its key."""
        with self.journal() as journal:
            found = journal.steps(run_id)
        return {s.key.partition(":")[2]: "undone" if s.undone else s.state for s in found}

    def claims(self, run_id: str) -> list[str]:
        """Return what a run holds."""
        with self.journal() as journal:
            return journal.claims_of(run_id)
