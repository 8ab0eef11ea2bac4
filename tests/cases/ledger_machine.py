"""The ledger against a model: whatever lives of a run do in whatever order, with kills between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cases.ledger_cases import KEY, ledger_of
from common.errors import LeaseLost, RunbookError
from state.journal import Journal
from state.ledger import Ledger, MailState, NewMail
from state.store import Store
from support.state import begin, empty, expire, take

PEOPLE = [f"{letter}@example.org" for letter in "abcd"]
_people = st.sets(st.sampled_from(PEOPLE))
_ends = st.sampled_from(["sent", "failed", "refused", "unknown", "pending"])


class LedgerMachine(RuleBasedStateMachine):
    """Several lives of one run, all but the newest of the past, and one campaign."""

    store: Store

    @initialize()
    def start(self) -> None:
        """A run begins and records nobody yet."""
        empty(self.store)
        self.journal = Journal(self.store)
        holder = begin(self.journal, "send")
        self.run = holder.run
        self.lives = [ledger_of(self.store, holder)]
        self.leased = True
        self.states: dict[str, MailState] = {}
        self.begun: Counter[str] = Counter()
        self.allowed: Counter[str] = Counter()
        self.campaign = self.lives[0].record(KEY, "n", "a", {}, [])

    @rule()
    def is_killed_or_suspended(self) -> None:
        """Nobody renews the lease for as long as it takes."""
        expire(self.journal, self.run)
        self.leased = False

    @precondition(lambda self: not self.leased)
    @rule()
    def is_taken_over(self) -> None:
        """Another life goes on, and settles what is in doubt, as each does before it sends."""
        self.lives.append(ledger_of(self.store, take(self.journal, self.run)))
        self.leased = True
        doubtful = self.lives[-1].wake(self.campaign)
        for who, state in self.states.items():
            if state == "sending":
                self.states[who] = "unknown"
        assert doubtful == Counter(self.states.values())["unknown"]

    @rule(life=st.integers(0, 9), people=_people, others=_people)
    def record(self, life: int, people: set[str], others: set[str]) -> None:
        """A life plans the campaign, for these people, and for certain others no longer."""
        new, gone = [NewMail(who, "s", f"<{who}>", {}) for who in sorted(people)], others - people
        if self._fenced(life, lambda its: its.record(KEY, "n", "a", {}, new, gone)):
            kept = {w: s for w, s in self.states.items() if s != "pending" or w not in gone}
            for who in people - kept.keys():
                self.allowed[who] += 1
            self.states = {**dict.fromkeys(people, "pending"), **kept}  # type: ignore[dict-item]

    @rule(life=st.integers(0, 9), who=st.sampled_from(PEOPLE))
    def begin(self, life: int, who: str) -> None:
        """A life, perhaps one that wakes up from a suspension, is about to end a message."""
        mail = self._mail(who)
        if mail is None:
            return
        if self.states[who] == "pending":
            if self._fenced(life, lambda its: its.begin(mail)):
                self.states[who] = "sending"
                self.begun[who] += 1
            return
        with pytest.raises(RunbookError):  # LeaseLost among them
            self._life(life).begin(mail)

    @rule(life=st.integers(0, 9), who=st.sampled_from(PEOPLE), state=_ends)
    def end(self, life: int, who: str, state: MailState) -> None:
        """A life has the server's answer."""
        mail = self._mail(who)
        if mail is None or self.states[who] != "sending":
            return
        if self._fenced(life, lambda its: its.end(mail, state, 250, "said")):
            self.states[who] = state
            self.allowed[who] += state == "pending"  # put off by the server: not accepted

    @rule(life=st.integers(0, 9), people=_people, state=st.sampled_from(["failed", "unknown"]))
    def again(self, life: int, people: set[str], state: MailState) -> None:
        """An operator asks for it."""
        if self._fenced(life, lambda its: its.again(self.campaign, [state], sorted(people))):
            for who in people & self.states.keys():
                if self.states[who] == state:
                    self.states[who] = "pending"
                    self.allowed[who] += 1

    @invariant()
    def the_ledger_is_as_modelled(self) -> None:
        """Nobody's mail was begun more often than it was to be sent, and none is forgotten."""
        known = self.lives[-1].known(KEY)
        assert self.lives[-1].states(known.id) == self.states
        assert known.totals()["recipients"] == len(self.states)
        for who in self.states:
            assert self.begun[who] <= self.allowed[who]

    def _mail(self, who: str) -> Any:
        found = self.lives[-1].mails(self.campaign)
        return next((mail for mail in found if mail.recipient == who), None)

    def _life(self, number: int) -> Ledger:
        return self.lives[number % len(self.lives)]

    def _fenced(self, number: int, act: Callable[[Ledger], Any]) -> bool:
        """Do what only the newest life may do, while its lease holds; return whether it could."""
        life = self._life(number)
        if life is self.lives[-1] and self.leased:
            act(life)
            return True
        with pytest.raises(LeaseLost):
            act(life)
        return False


def ledger_machine(opened: Store) -> type[LedgerMachine]:
    """Return the machine on an open store."""
    return type("LedgerMachine", (LedgerMachine,), {"store": opened})
