"""Claims and leases against a model: whatever several processes do, in whatever order."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)
from sqlalchemy import func, select

from common.errors import Held, LeaseLost, UserError
from state.journal import Journal
from state.schema import attempts, claims
from state.store import Store
from support.state import LEASE, Holder, begin, draw, empty, end, expire, take

SUBJECTS = [f"server:{letter}" for letter in "abcd"]
_subjects = st.lists(st.sampled_from(SUBJECTS), max_size=3)


@dataclass
class Modelled:
    """What a run should be."""

    generation: int = 1
    state: str = "running"
    leased: bool = True
    drawn: bool = False
    attempts: int = 0
    claims: set[str] = field(default_factory=set)

    @property
    def alive(self) -> bool:
        return self.state == "running" and self.leased

    def is_held_by(self, holder: Holder) -> bool:
        return self.alive and self.generation == holder.generation


class JournalMachine(RuleBasedStateMachine):
    """Several holders of several runs, some of them of the past."""

    store: Store
    holders = Bundle("holders")

    def __init__(self) -> None:
        super().__init__()
        empty(self.store)
        self.journal = Journal(self.store)
        self.runs: dict[str, Modelled] = {}

    @rule(target=holders)
    def start(self) -> Holder:
        """A process begins a run."""
        holder = begin(self.journal)
        self.runs[holder.run] = Modelled()
        return holder

    @rule(holder=holders)
    def is_killed_or_suspended(self, holder: Holder) -> None:
        """Nobody renews the lease for as long as it takes."""
        run = self.runs[holder.run]
        if run.state == "running":
            expire(self.journal, holder.run)
            run.leased = False

    @rule(target=holders, holder=holders)
    def take_over(self, holder: Holder) -> Any:
        """Another process tries to go on with the run."""
        run = self.runs[holder.run]
        may = run.state == "interrupted" or (run.state == "running" and not run.leased)
        if not may:
            with pytest.raises(UserError) as refusal:
                take(self.journal, holder.run)
            assert isinstance(refusal.value, Held) == run.alive
            return multiple()
        taken = take(self.journal, holder.run)
        run.generation, run.state, run.leased = run.generation + 1, "running", True
        assert taken.generation == run.generation
        return taken

    @rule(holder=holders)
    def renew(self, holder: Holder) -> None:
        """The heartbeat of a holder, of now or of the past."""
        self._fenced(holder, lambda: self.journal.renew(*holder.fence, LEASE))

    @rule(holder=holders, subjects=_subjects)
    def claim(self, holder: Holder, subjects: list[str]) -> None:
        """A holder claims what others may have."""
        run = self.runs[holder.run]
        in_the_way = {
            other_id: other
            for other_id, other in self.runs.items()
            if other is not run and other.claims & set(subjects)
        }
        held = {i for i, other in in_the_way.items() if other.alive or other.drawn}

        def act() -> None:
            if not held or not run.is_held_by(holder):
                self.journal.claim(*holder.fence, subjects)
                return
            with pytest.raises(Held) as refusal:
                self.journal.claim(*holder.fence, subjects)
            assert refusal.value.run in held
            assert refusal.value.unfinished != self.runs[refusal.value.run].alive

        if self._fenced(holder, act) and not held:
            for other in in_the_way.values():  # killed while they were planning
                other.state, other.claims = "cancelled", set()
            run.claims |= set(subjects)

    @rule(holder=holders)
    def plan(self, holder: Holder) -> None:
        """A holder stores its plan."""
        run = self.runs[holder.run]
        if not run.drawn and self._fenced(holder, lambda: draw(self.journal, holder, "one")):
            run.drawn = True
            for other in self.runs.values():  # asked for the same, and killed while planning
                if not (other.drawn or other.alive) and other.state in ("running", "interrupted"):
                    other.state, other.claims = "cancelled", set()

    @rule(holder=holders)
    def begin_attempt(self, holder: Holder) -> None:
        """A holder is about to send a change."""
        run = self.runs[holder.run]
        number = str(uuid.uuid4())

        def act() -> None:
            self.journal.begin_attempt(*holder.fence, holder.run, "one", number, "apply")

        if run.drawn and self._fenced(holder, act):
            run.attempts += 1

    @rule(holder=consumes(holders), state=st.sampled_from(["succeeded", "interrupted", "failed"]))
    def finish(self, holder: Holder, state: str) -> None:
        """A holder ends its run."""
        run = self.runs[holder.run]
        if self._fenced(holder, lambda: end(self.journal, holder, state)):
            run.state, run.leased = state, False
            if state != "interrupted":
                run.claims = set()

    @rule(target=holders, holder=holders)
    def wakes_up(self, holder: Holder) -> Holder:
        """The same process is heard of again."""
        return holder

    @invariant()
    def the_journal_is_as_modelled(self) -> None:
        """Nobody has what another has, and no write of the past was committed."""
        with self.store.reading() as tx:
            claimed = {(row.subject, row.run) for row in tx.execute(select(claims))}
            count = select(attempts.c.run, func.count()).group_by(attempts.c.run)
            tried = {row[0]: row[1] for row in tx.execute(count)}
        modelled = [(s, run_id) for run_id, run in self.runs.items() for s in run.claims]
        assert claimed == set(modelled)
        assert len({subject for subject, _ in claimed}) == len(modelled)
        assert tried == {i: run.attempts for i, run in self.runs.items() if run.attempts}
        for run_id, run in self.runs.items():
            found = self.journal.run(run_id)
            assert (found.state, found.generation, found.alive) == (
                run.state,
                run.generation,
                run.alive,
            )

    def _fenced(self, holder: Holder, act: Callable[[], Any]) -> bool:
        """Do what only the holder of a lease may do; return whether it was one."""
        if self.runs[holder.run].is_held_by(holder):
            act()
            return True
        with pytest.raises(LeaseLost):
            act()
        return False


def machine(opened: Store) -> type[JournalMachine]:
    """Return the machine on an open store."""
    return type("JournalMachine", (JournalMachine,), {"store": opened})
