"""What a journal must do on every database: tests/unit runs it on SQLite, tests/cloud on MariaDB.

A module that runs it has the fixtures ``url`` (module scope) and those of this module.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text, update

from common.errors import (
    AlreadyStarted,
    Ambiguous,
    Held,
    LeaseLost,
    NotFound,
    StopRequested,
    UserError,
)
from state.clock import db_now
from state.journal import Journal
from state.schema import HEAD, attempts, claims, metadata, runs, steps
from state.store import Store
from support import state_workers as workers
from support.state import (
    LEASE,
    OTTO,
    PLAN,
    Holder,
    age,
    attempt,
    begin,
    draw,
    empty,
    end,
    expire,
    new_run,
    take,
)
from workflow_api import Requester

HOUR = 3600.0


@pytest.fixture(scope="module")
def store(url: str) -> Iterator[Store]:
    """One open store for all tests of a module."""
    opened = Store(url)
    yield opened
    opened.close()


@pytest.fixture
def journal(store: Store) -> Journal:
    """An empty journal."""
    empty(store)
    return Journal(store)


class LeaseCases:
    """Who may act for a run."""

    def test_a_run_is_taken_once(self, journal: Journal) -> None:
        new = new_run()
        journal.create(new, "planned")
        assert not journal.run(new.id).alive
        assert take(journal, new.id, ("planned",)).generation == 1
        run = journal.run(new.id)
        assert run.alive
        assert run.state == "running"
        assert LEASE - 60 < run.lease_left <= LEASE
        with pytest.raises(UserError):  # it is not planned any more
            take(journal, new.id, ("planned",))
        with pytest.raises(Held, match=new.id):
            take(journal, new.id)

    def test_a_run_is_taken_over_only_after_its_lease(self, journal: Journal) -> None:
        first = begin(journal, "one")
        expire(journal, first.run)
        assert journal.run(first.run).shown_state == "interrupted"
        second = take(journal, first.run)
        assert second.generation == first.generation + 1
        with pytest.raises(Held):
            take(journal, first.run)

    @pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
    def test_an_ended_run_is_not_taken(self, journal: Journal, state: str) -> None:
        holder = begin(journal)
        end(journal, holder, state)
        with pytest.raises(UserError, match=state):
            take(journal, holder.run)

    def test_a_run_that_was_left_is_taken_as_it_was_seen(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        seen = journal.run(holder.run)
        journal.renew(*holder.fence, LEASE)
        with pytest.raises(Held):  # its holder lives
            journal.take(holder.run, "test:2", LEASE, states=("running",), left=seen)
        seen = journal.run(holder.run)
        again = journal.take(holder.run, "test:2", LEASE, states=("running",), left=seen)
        with pytest.raises(LeaseLost):
            attempt(journal, holder, "one")
        attempt(journal, Holder(holder.run, again), "one")

    def test_an_interrupted_run_goes_on(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        end(journal, holder, "interrupted")
        again = take(journal, holder.run)
        run = journal.run(holder.run)
        assert run.ended_at is None
        assert run.started_at is not None
        assert journal.renew(*again.fence, LEASE) is None
        attempt(journal, again, "one")

    def test_a_request_to_stop_lives_until_the_run_has_ended_by_it(self, journal: Journal) -> None:
        holder = begin(journal, "one", "two")
        attempt(journal, holder, "one")
        assert journal.request_stop(holder.run, OTTO)
        for lost in ("interrupted", "killed"):
            if lost == "interrupted":
                end(journal, holder, lost)
            else:
                expire(journal, holder.run)
            holder = take(journal, holder.run)
            # Whoever takes it over finds the request, and can begin nothing.
            assert (asked := journal.stop_requested(holder.run)) is not None
            assert (asked.requested_by, asked.settled_at) == ("otto", None)
            assert journal.renew(*holder.fence, LEASE) == "otto cancelled it"
            with pytest.raises(StopRequested, match="otto cancelled it"):
                attempt(journal, holder, "two")
            assert journal.steps(holder.run)[1].state == "pending"
        # What was begun may still be looked up and undone.
        for kind in ("find", "undo"):
            journal.begin_attempt(
                *holder.fence, holder.run, "one", str(uuid.uuid4()), kind  # type: ignore[arg-type]
            )
        end(journal, holder, "cancelled")
        assert journal.stop_requested(holder.run) is None
        (asked,) = journal.requests_of([holder.run])[holder.run]
        assert asked.settled_as == "cancelled"
        assert asked.settled_at == pytest.approx(journal.run(holder.run).ended_at, abs=1)
        assert not journal.request_stop(holder.run, OTTO)

    def test_a_child_begins_nothing_of_a_run_that_is_to_stop(self, journal: Journal) -> None:
        root = begin(journal, "child")
        child = new_run(root=root.run, parent=root.run, parent_step="child")
        journal.create(child, "running", generation=root.generation)
        journal.store_plan(*root.fence, child.id, PLAN, [("one", "do one")])
        journal.request_stop(root.run, OTTO)
        with pytest.raises(StopRequested):
            journal.begin_attempt(*root.fence, child.id, "one", str(uuid.uuid4()), "apply")
        # The end of a child is not that of the run that was asked to stop.
        end(journal, root, "cancelled", child.id)
        assert journal.stop_requested(root.run) is not None

    def test_who_asked_is_kept(self, journal: Journal) -> None:
        new = new_run()
        journal.create(new, "planned", PLAN)
        bob = Requester(user="bob", origin="stackstorm:e-1", execution_id="e-1")
        for verb in ("apply", "resume"):
            asked = (verb, bob)
            states = ("planned", "interrupted")
            generation = journal.take(
                new.id, "test:1", LEASE, states=states, asked=asked  # type: ignore[arg-type]
            )
            end(journal, Holder(new.id, generation), "interrupted")
        # Who is refused has not done it.
        with pytest.raises(UserError):
            journal.take(new.id, "test:1", LEASE, states=("planned",), asked=("apply", OTTO))
        journal.request_stop(new.id, bob)
        found = journal.requests_of([new.id])[new.id]
        assert [(one.verb, one.requested_by) for one in found] == [
            ("apply", "bob"), ("resume", "bob"), ("cancel", "bob")
        ]  # fmt: skip
        assert found[-1].said == "bob cancelled it (StackStorm execution e-1)"

    def test_a_run_can_be_held_from_its_first_moment(self, journal: Journal) -> None:
        new = new_run(trigger_id="t-1")
        holder = Holder(new.id, journal.begin_run(new, "test:1", LEASE))
        assert journal.run(new.id).alive
        draw(journal, holder, "one")
        with pytest.raises(AlreadyStarted, match=new.id):
            journal.begin_run(new_run(trigger_id="t-1"), "test:2", LEASE)

    def test_a_run_that_is_not_there(self, journal: Journal) -> None:
        with pytest.raises(NotFound):
            take(journal, "nowhere")

    @pytest.mark.parametrize("how", ["expired", "taken over", "ended", "cancelled while planning"])
    def test_who_lost_the_lease_can_write_nothing(self, journal: Journal, how: str) -> None:
        holder = begin(journal) if how == "cancelled while planning" else begin(journal, "one")
        open_attempt = str(uuid.uuid4())
        if how != "cancelled while planning":
            journal.begin_attempt(*holder.fence, holder.run, "one", open_attempt, "apply")
        if how == "ended":
            end(journal, holder, "interrupted")
        else:
            journal.claim(*holder.fence, ["server:1"])
            expire(journal, holder.run)
        if how == "taken over":
            take(journal, holder.run)
        if how == "cancelled while planning":
            journal.claim(*begin(journal).fence, ["server:1"])
        before = _everything(journal)
        child = new_run(root=holder.run, parent=holder.run, parent_step="one")
        fence, run = holder.fence, holder.run
        writes: tuple[Callable[[], Any], ...] = (
            lambda: journal.renew(*fence, LEASE),
            lambda: journal.claim(*fence, ["server:2"]),
            lambda: journal.store_plan(*fence, run, {"title": "other"}, [("two", "two")]),
            lambda: journal.begin_attempt(*fence, run, "one", str(uuid.uuid4()), "apply"),
            lambda: journal.note(*fence, open_attempt, {"a": 1}),
            lambda: journal.end_attempt(*fence, open_attempt, "done", step=(run, "one", "done", 1)),
            lambda: journal.set_step(*fence, run, "one", "skipped", ""),
            lambda: journal.finish(*fence, run, "succeeded", summary="done"),
            lambda: journal.reopen(*fence, run),
            lambda: journal.create(child, "running", generation=holder.generation),
        )
        for write in writes:
            with pytest.raises(LeaseLost, match=run):
                write()
        assert _everything(journal) == before

    def test_a_transaction_that_loses_its_lease_leaves_nothing(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        journal.claim(*holder.fence, ["server:a"])
        before = _everything(journal)

        def write() -> None:
            with journal.fenced(*holder.fence) as tx:
                tx.execute(update(steps).values(state="done"))
                tx.execute(claims.delete())
                raise LeaseLost(holder.run)

        with pytest.raises(LeaseLost):
            write()
        assert _everything(journal) == before

    def test_renewing_extends_the_lease_and_tells_of_a_cancel(self, journal: Journal) -> None:
        holder = begin(journal)
        before = journal.run(holder.run).lease_until
        assert before is not None
        assert journal.renew(*holder.fence, 2 * LEASE) is None
        after = journal.run(holder.run).lease_until
        assert after is not None
        assert after > before + LEASE / 2
        journal.request_stop(holder.run, OTTO)
        assert journal.renew(*holder.fence, LEASE) == "otto cancelled it"

    def test_nobody_gets_in_while_a_fenced_transaction_is_open(self, journal: Journal) -> None:
        """Also not when the lease ends before the commit: whoever takes over sees the write."""
        holder = begin(journal, "one")
        journal.renew(*holder.fence, 1.0)
        seen: list[str] = []

        def successor() -> None:
            after = take(journal, holder.run)
            seen.append(journal.steps(after.run)[0].state)

        other = threading.Thread(target=successor)
        with journal.fenced(*holder.fence) as tx:
            time.sleep(1.05)
            other.start()
            time.sleep(0.2)
            assert not seen
            tx.execute(update(steps).where(steps.c.run == holder.run).values(state="running"))
        other.join(30)
        assert seen == ["running"]

    def test_the_fence_goes_by_the_clock_after_it_waited(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        raised: list[BaseException] = []

        def late() -> None:
            try:
                journal.set_step(*holder.fence, holder.run, "one", "done", "")
            except LeaseLost as error:
                raised.append(error)

        writer = threading.Thread(target=late)
        with journal.store.transaction() as tx:
            soon = update(runs).where(runs.c.id == holder.run)
            tx.execute(soon.values(lease_until=db_now() + 0.4))
            writer.start()
            time.sleep(0.6)
        writer.join(30)
        assert raised
        assert journal.steps(holder.run)[0].state == "pending"

    def test_reading_waits_for_no_writer(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        with journal.fenced(*holder.fence) as tx:
            tx.execute(update(steps).values(state="done"))
            began = time.monotonic()
            assert journal.steps(holder.run)[0].state == "pending"
            assert journal.run(holder.run).alive
            assert journal.holders(["server:1"]) == {}
            assert time.monotonic() - began < 5

    def test_a_child_runs_under_its_root(self, journal: Journal) -> None:
        root = begin(journal, "child")
        child = new_run(root=root.run, parent=root.run, parent_step="child")
        journal.create(child, "running", generation=root.generation)
        journal.store_plan(*root.fence, child.id, PLAN, [("one", "do one")])
        assert journal.run(child.id).alive
        assert journal.run(child.id).holder == "test:1"
        assert [run.id for run in journal.children(root.run)] == [child.id]
        with pytest.raises(UserError, match=root.run):
            journal.take(child.id, "test", LEASE, states=("running",))
        end(journal, root, "failed", child.id)
        assert journal.run(child.id).state == "failed"
        assert journal.run(root.run).alive
        journal.reopen(*root.fence, child.id)
        assert journal.run(child.id).alive
        expire(journal, root.run)
        assert journal.run(child.id).shown_state == "interrupted"


class ClaimCases:
    """Which run works on which thing."""

    def test_all_or_nothing(self, journal: Journal) -> None:
        first, second = begin(journal, "one"), begin(journal, "one")
        journal.claim(*first.fence, ["server:b", "server:a", "server:a"])
        with pytest.raises(Held) as caught:
            journal.claim(*second.fence, ["server:c", "server:b"])
        assert (caught.value.subject, caught.value.run) == ("server:b", first.run)
        assert not caught.value.unfinished
        assert journal.claims_of(second.run) == []
        assert journal.claims_of(first.run) == ["server:a", "server:b"]
        holders = journal.holders(["server:a", "server:c"])
        assert {subject: run.id for subject, run in holders.items()} == {"server:a": first.run}

    def test_a_run_may_claim_what_it_has(self, journal: Journal) -> None:
        holder = begin(journal)
        journal.claim(*holder.fence, ["server:a"])
        journal.claim(*holder.fence, ["server:a", "server:b"])
        journal.claim(*holder.fence, [])
        assert journal.claims_of(holder.run) == ["server:a", "server:b"]

    def test_subjects_are_compared_byte_by_byte(self, journal: Journal) -> None:
        first, second = begin(journal, "Web-1", "web-1", "web-1 "), begin(journal)
        journal.claim(*first.fence, ["server:a"])
        journal.claim(
            *second.fence, ["server:A", "server:a ", "server:á", "server:\N{GRINNING FACE}"]
        )
        assert len(journal.steps(first.run)) == 3

    @pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "planned"])
    def test_an_ended_run_lets_go(self, journal: Journal, state: str) -> None:
        holder = begin(journal, "one")
        journal.claim(*holder.fence, ["server:a"])
        end(journal, holder, state)
        assert journal.holders(["server:a"]) == {}

    def test_an_interrupted_run_keeps_its_claims(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        journal.claim(*holder.fence, ["server:a"])
        end(journal, holder, "interrupted")
        with pytest.raises(Held, match=r"run\.resume") as caught:
            journal.claim(*begin(journal).fence, ["server:a"])
        assert caught.value.unfinished

    def test_the_end_of_a_child_lets_nothing_go(self, journal: Journal) -> None:
        root = begin(journal, "child")
        journal.claim(*root.fence, ["server:a"])
        child = new_run(root=root.run, parent=root.run)
        journal.create(child, "running", generation=root.generation)
        end(journal, root, "succeeded", child.id)
        assert journal.claims_of(root.run) == ["server:a"]

    def test_a_killed_run_keeps_its_claims(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        journal.claim(*holder.fence, ["server:a"])
        expire(journal, holder.run)
        with pytest.raises(Held) as caught:
            journal.claim(*begin(journal).fence, ["server:a"])
        assert caught.value.unfinished

    @pytest.mark.parametrize("applied", [False, True], ids=["started", "applied"])
    def test_a_run_killed_while_planning_is_dropped(self, journal: Journal, applied: bool) -> None:
        """One that was to be applied has not begun its plan, and has it still."""
        dead = new_run()
        journal.create(dead, "planned", PLAN if applied else None)
        assert (journal.run(dead.id).plan is not None) == applied
        was = take(journal, dead.id, ("planned",))
        journal.claim(*was.fence, ["server:a", "server:b"])
        with pytest.raises(Held):
            journal.claim(*begin(journal).fence, ["server:a"])
        expire(journal, dead.id)
        left = PLAN if applied else None
        assert journal.run(dead.id).plan == left
        mine = begin(journal)
        journal.claim(*mine.fence, ["server:a"])
        found = journal.run(dead.id)
        assert (found.state, found.plan) == ("planned" if applied else "cancelled", left)
        assert journal.claims_of(dead.id) == []

    def test_a_plan_that_could_not_be_drawn_again_is_still_there(self, journal: Journal) -> None:
        new = new_run()
        journal.create(new, "planned", PLAN)
        end(journal, take(journal, new.id, ("planned",)), "planned")
        assert journal.run(new.id).plan == PLAN


class StepCases:
    """What a run did."""

    def test_the_life_of_a_step(self, journal: Journal) -> None:
        holder = begin(journal, "b", "a")
        assert [step.key for step in journal.steps(holder.run)] == ["b", "a"]
        first, second, look = (str(uuid.uuid4()) for _ in range(3))
        fence, run = holder.fence, holder.run
        journal.begin_attempt(*fence, run, "a", first, "apply")
        journal.note(*fence, first, {"newest": "m-1"})
        step = journal.steps(run)[1]
        assert (step.state, step.attempts, step.seconds) == ("running", 1, None)
        journal.end_attempt(*fence, first, "unknown", error="cut", step=(run, "a", "unknown", None))
        journal.begin_attempt(*fence, run, "a", look, "find")
        journal.end_attempt(*fence, look, "absent", step=(run, "a", "pending", None))
        step = journal.steps(run)[1]
        assert (step.state, step.error, step.ended_at) == ("pending", None, None)
        journal.begin_attempt(*fence, run, "a", second, "apply")
        journal.note(*fence, second, {"newest": "m-2"})
        journal.end_attempt(
            *fence, second, "done", request_ids=["req-1"], step=(run, "a", "done", {"id": 7})
        )
        step = journal.steps(run)[1]
        assert (step.state, step.attempts, step.result) == ("done", 2, {"id": 7})
        assert step.seconds is not None
        made = journal.attempts(run, "a")
        assert [(one.id, one.kind, one.number, one.state) for one in made] == [
            (first, "apply", 1, "unknown"),
            (look, "find", 1, "absent"),
            (second, "apply", 2, "done"),
        ]
        assert [one.notes for one in made] == [{"newest": "m-1"}, {}, {"newest": "m-2"}]
        assert made[2].request_ids == ["req-1"]
        assert {one.generation for one in made} == {1}
        assert journal.attempts(run) == made
        assert journal.attempts(run, "b") == []

    def test_attempts_are_in_order_whatever_the_clock_says(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        made = [attempt(journal, holder, "one") for _ in range(3)]
        with journal.store.transaction() as tx:
            tx.execute(update(attempts).where(attempts.c.id == made[2]).values(started_at=1))
        assert [one.id for one in journal.attempts(holder.run, "one")] == made

    def test_undone(self, journal: Journal) -> None:
        holder = begin(journal, "one")
        attempt(journal, holder, "one")
        number = str(uuid.uuid4())
        journal.begin_attempt(*holder.fence, holder.run, "one", number, "undo")
        journal.end_attempt(*holder.fence, number, "undone", undone=(holder.run, "one"))
        step = journal.steps(holder.run)[0]
        assert (step.state, step.undone, step.attempts) == ("done", True, 1)

    def test_a_plan_drawn_again_replaces_the_steps(self, journal: Journal) -> None:
        holder = begin(journal, "one", "two")
        draw(journal, holder, "three")
        assert [step.key for step in journal.steps(holder.run)] == ["three"]

    def test_large_and_strange_texts(self, journal: Journal) -> None:
        holder = begin(journal)
        strange = "\N{GRINNING FACE}'\";--\\ %s :x \u202e" * 5000
        journal.store_plan(*holder.fence, holder.run, {"t": strange}, [("k", strange)])
        journal.set_step(*holder.fence, holder.run, "k", "failed", strange)
        journal.finish(*holder.fence, holder.run, "failed", summary=strange, error=strange)
        run, step = journal.run(holder.run), journal.steps(holder.run)[0]
        assert run.plan == {"t": strange}
        assert run.summary == run.error == step.sentence == step.error == strange


class RunCases:
    """Runs as a whole."""

    def test_what_is_written_is_read(self, journal: Journal) -> None:
        new = new_run(ticket="OPS-1", execution_id="e" * 24, max_changes=7)
        journal.create(new, "planned", PLAN)
        run = journal.run(new.id)
        for name, value in msgspec.structs.asdict(new).items():
            assert getattr(run, name) == (new.id if name == "root" else value)
        assert (run.state, run.plan, run.generation) == ("planned", PLAN, 0)
        assert abs(run.created_at - time.time()) < 60
        assert run.age < 60

    def test_a_run_is_found_by_the_start_of_its_id(self, journal: Journal) -> None:
        for number in ("aaaa-1", "aaaa-2", "bbbb-1", "b%_b-1"):
            journal.create(new_run(id=number), "planned")
        assert journal.run("bbbb").id == "bbbb-1"
        assert journal.run("b%_b").id == "b%_b-1"
        with pytest.raises(Ambiguous, match="aaaa-1, aaaa-2"):
            journal.run("aaaa")
        for wrong in ("bbb", "cccc", "b%b%", "____", ""):
            with pytest.raises(NotFound):
                journal.run(wrong)

    def test_the_newest_first(self, journal: Journal) -> None:
        old = begin(journal, "one")
        age(journal, old.run, HOUR)
        done, dead, alive = (
            begin(journal, workflow="server.migrate"),
            begin(journal),
            begin(journal),
        )
        end(journal, done, "succeeded")
        expire(journal, dead.run)
        child = new_run(root=alive.run, parent=alive.run)
        journal.create(child, "running", generation=alive.generation)
        end(journal, old, "interrupted")

        def shown(limit: int = 10, **narrowed: str) -> set[str]:
            found = journal.recent(limit=limit, **narrowed)
            assert [run.created_at for run in found] == sorted(
                (run.created_at for run in found), reverse=True
            )
            return {run.id for run in found}

        assert shown() == {done.run, dead.run, alive.run, old.run}
        assert old.run not in shown(3)
        assert shown(state="running") == {alive.run}
        assert shown(state="interrupted") == {dead.run, old.run}
        assert shown(1, state="interrupted") == {dead.run}
        assert shown(state="succeeded") == {done.run}
        assert shown(workflow="server.migrate") == {done.run}
        assert shown(workflow="server.migrate", state="failed") == set()

    def test_a_trigger_starts_once(self, journal: Journal) -> None:
        first = new_run(trigger_id="t-1")
        journal.create(first, "planned")
        with pytest.raises(Held, match=first.id):
            journal.create(new_run(trigger_id="t-1"), "planned")
        assert journal.by_trigger("t-1").id == first.id
        with pytest.raises(NotFound):
            journal.by_trigger("t-2")
        journal.create(new_run(), "planned")
        journal.create(new_run(), "planned")

    def test_pruning(self, journal: Journal) -> None:
        kept: list[str] = []
        young = begin(journal, "one")
        end(journal, young, "succeeded")
        kept.append(young.run)
        for step_state in ("running", "unknown"):
            unsure = begin(journal, "one")
            journal.set_step(*unsure.fence, unsure.run, "one", step_state, "")
            end(journal, unsure, "cancelled")
            kept.append(unsure.run)
        parent = begin(journal, "child")
        child = _child(journal, parent, "unknown")
        end(journal, parent, "failed")
        kept += [parent.run, child]
        interrupted, killed, alive = (begin(journal, "one") for _ in range(3))
        end(journal, interrupted, "interrupted")
        expire(journal, killed.run)
        kept += [interrupted.run, killed.run, alive.run]

        done = begin(journal, "one")
        attempt(journal, done, "one")
        end(journal, done, "succeeded")
        planned = new_run()
        journal.create(planned, "planned", PLAN)
        whole = begin(journal, "child")
        gone = [done.run, planned.id, whole.run, _child(journal, whole, "done")]
        end(journal, whole, "succeeded")
        stillborn = begin(journal)
        journal.claim(*stillborn.fence, ["server:a"])
        with journal.store.transaction() as tx:
            dead = update(runs).where(runs.c.id == stillborn.run)
            tx.execute(dead.values(lease_until=runs.c.lease_until - LEASE - 2 * HOUR))
        gone.append(stillborn.run)
        for run in {*kept, *gone} - {young.run}:
            age(journal, run, 2 * HOUR)

        assert journal.prune(HOUR) == len(gone) - 1  # the child went with its root
        with journal.store.reading() as tx:
            assert set(tx.execute(select(runs.c.id)).scalars()) == set(kept)
            for table in (steps, attempts, claims):
                assert set(tx.execute(select(table.c.run)).scalars()) <= set(kept)
        assert journal.prune(HOUR) == 0

    def test_a_plan_that_somebody_applies_meanwhile_is_not_pruned(self, journal: Journal) -> None:
        """Whoever prunes waits for the one who applies, and looks again."""
        planned = new_run()
        journal.create(planned, "planned", PLAN)
        age(journal, planned.id, 2 * HOUR)
        pruned: list[int] = []
        other = threading.Thread(target=lambda: pruned.append(journal.prune(HOUR)))
        with journal.store.transaction() as tx:
            its = runs.c.id == planned.id
            tx.execute(select(runs.c.id).where(its).with_for_update())
            other.start()
            time.sleep(0.2)
            lease = db_now() + LEASE
            tx.execute(update(runs).where(its).values(state="running", lease_until=lease))
        other.join(30)
        assert pruned == [0]
        assert journal.run(planned.id).alive

    def test_pruning_many(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("state.runs._PRUNED_AT_ONCE", 3)
        for _ in range(7):
            journal.create(new_run(), "planned")
        assert journal.prune(-1) == 7


class StoreCases:
    """The database under the journal."""

    def test_the_migrations_make_the_tables(self, store: Store) -> None:
        with store.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []

    def test_a_newer_schema_is_refused(self, store: Store, url: str) -> None:
        with store.transaction() as tx:
            tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        try:
            with pytest.raises(UserError, match=r"newer version of this pack.*Upgrade the pack"):
                Store(url)
        finally:
            with store.transaction() as tx:
                tx.execute(text(f"UPDATE alembic_version SET version_num = '{HEAD}'"))

    def test_no_password_is_shown(self, store: Store) -> None:
        password = store.url.password
        assert password is None or str(password) not in store.shown

    def test_a_conflict_is_tried_again(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever inserts a claim between our look and our insert is seen at the second look."""
        mine, other = begin(journal), begin(journal, "one")
        look, looks = journal._clear_way, []

        def too_early(*args: Any) -> set[str]:
            looks.append(look(*args))
            if len(looks) == 1:
                row = {"subject": "server:a", "run": other.run, "claimed_at": 0}
                args[0].execute(claims.insert(), row)  # as if committed by the other
            return looks[-1]

        monkeypatch.setattr(journal, "_clear_way", too_early)
        journal.claim(*mine.fence, ["server:a"])
        assert len(looks) == 2
        assert journal.claims_of(mine.run) == ["server:a"]

    def test_a_value_that_no_json_can_hold_is_refused(self, journal: Journal) -> None:
        holder = begin(journal)
        with pytest.raises(Exception, match="not JSON compliant"):
            journal.store_plan(*holder.fence, holder.run, {"x": float("nan")}, [])
        assert journal.run(holder.run).plan is None


class ConcurrencyCases:
    """Eight processes at once."""

    def test_one_of_eight_gets_a_claim(
        self, journal: Journal, url: str, processes: workers.Processes
    ) -> None:
        subjects = [f"server:{number}" for number in range(20)]
        answers = processes.all_at_once(workers.claim, url, subjects)
        winners = {run for run, holder in answers if run == holder}
        assert len(winners) == 1
        assert {holder for _, holder in answers} == winners
        assert journal.claims_of(winners.pop()) == sorted(subjects)

    def test_one_of_eight_is_started_by_a_trigger(
        self, journal: Journal, url: str, processes: workers.Processes
    ) -> None:
        answers = processes.all_at_once(workers.by_trigger, url, "t-1")
        assert sorted(begun for begun, _ in answers) == [False] * 7 + [True]
        assert {run for _, run in answers} == {journal.by_trigger("t-1").id}

    def test_one_of_eight_takes_a_run_over(
        self, journal: Journal, url: str, processes: workers.Processes
    ) -> None:
        dead = begin(journal, "one")
        expire(journal, dead.run)
        answers = processes.all_at_once(workers.take_over, url, dead.run)
        assert [answer for answer in answers if answer is not None] == [dead.generation + 1]

    def test_eight_work_at_once(
        self, journal: Journal, url: str, processes: workers.Processes
    ) -> None:
        times = processes.all_at_once(workers.work, url, 10)
        seconds = max(ended for _, ended in times) - min(began for began, _ in times)
        print(f"\n8 processes: {8 * 2 * 10 / seconds:.0f} commits a second")
        with journal.store.reading() as tx:
            assert len(tx.execute(select(attempts.c.id)).all()) == 8 * 11


class CostCases:
    """What a step of a run costs."""

    def test_journalling_a_step(self, journal: Journal) -> None:
        holder = begin(journal, *(f"step {number}" for number in range(100)))
        costs, began = [], time.perf_counter()
        for batch in range(0, 100, 20):
            before = time.process_time()
            for number in range(batch, batch + 20):
                attempt(journal, holder, f"step {number}")
            costs.append((time.process_time() - before) / 20)
        wall = time.perf_counter() - began
        # The best batch: the others have paid for what else the machine does.
        print(
            f"\na step begun and ended: {min(costs) * 1000:.2f} ms of CPU, "
            f"{200 / wall:.0f} commits a second"
        )
        # Under a tracer, as where coverage is counted, every line costs several times as much.
        assert min(costs) < (0.015 if sys.gettrace() else 0.005)


def _child(journal: Journal, root: Holder, step_state: str) -> str:
    child = new_run(root=root.run, parent=root.run, parent_step="child")
    journal.create(child, "running", generation=root.generation)
    journal.store_plan(*root.fence, child.id, PLAN, [("one", "do one")])
    journal.set_step(*root.fence, child.id, "one", step_state, "")  # type: ignore[arg-type]
    end(journal, root, "failed", child.id)
    return child.id


def _everything(journal: Journal) -> list[Any]:
    """Return every row there is."""
    with journal.store.reading() as tx:
        return [
            sorted(map(tuple, tx.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        ]


__all__ = [
    "ClaimCases",
    "ConcurrencyCases",
    "CostCases",
    "LeaseCases",
    "RunCases",
    "StepCases",
    "StoreCases",
    "journal",
    "store",
]
