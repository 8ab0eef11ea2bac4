"""What people ask of runs: whose wish it was is kept, and a request to stop is never lost."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from state.journal import Journal
from state.records import RunRecord
from support.mail_victim import MailVictim
from support.runs import House, toy_house
from support.sample_mail import mail_house
from support.sample_runbooks import WORLD, World
from support.smtp_server import Options, SmtpProcess
from support.state import expire, new_run
from support.victims import Victim
from workflow_api import Requester

Place = tuple[House, World]
A = {"do": "paint", "to": ["a"], "undo": "on_cancel"}
B = {"do": "paint", "to": ["b"]}
BOB = Requester(user="bob", origin="stackstorm:e-2", execution_id="e-2")
OTTO = Requester(user="otto", origin="stackstorm:e-3", execution_id="e-3")
RULE = Requester(user="st2", origin="test", trigger_id="t-1")
ROUNDS = int(os.environ.get("CANCEL_ROUNDS", "6"))


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with toy_house() as (house, world):
        house.limits = {"lease": "1s", "grace": "0.2s"}
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


def killed_at(place: Place, moment: str, *stages: dict[str, Any]) -> str:
    """Kill a run at a moment of it; return its id."""
    house, world = place
    with Victim(house, world.path, "toy.work", moment, stages=list(stages)) as victim:
        victim.wait_for(moment)
        victim.kill()
    with house.journal() as journal:
        return journal.recent(limit=1)[0].id


# -- a request to stop -------------------------------------------------------------------------


@pytest.mark.long
def test_a_resume_ends_by_a_cancel_that_came_first(place: Place) -> None:
    """Also where whoever asked for it is gone, and nobody but the journal remembers."""
    house, world = place
    run = killed_at(place, "before paint b", A, B)
    with house.journal() as journal:
        assert journal.request_stop(run, OTTO)
        expire(journal, run)
    _, told = house.ask("run.show", run=run)
    assert f"it was asked to stop: end it with run.cancel run={run}" in told["text"]
    kind, result = house.ask("run.resume", BOB, run=run)
    assert kind == "interrupted"
    assert "otto cancelled it (StackStorm execution e-3)" in result["summary"]
    assert house.run(run).state == "cancelled"
    assert world.effects == {"paint a": 1, "strip a": 1}
    assert house.claims(run) == []


def test_a_run_that_is_asked_to_stop_begins_nothing_more(place: Place) -> None:
    """Before its next heartbeat, too: the very transaction that would begin a step sees it."""
    house, world = place
    house.limits = {"lease": "60s", "grace": "10s"}
    asked = []

    def pause(where: str) -> None:
        if where == "after paint a" and not asked:
            with house.journal() as journal:
                asked.append(journal.request_stop(journal.recent(limit=1)[0].id, OTTO))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "pause", staticmethod(pause))
        kind, result = house.work(A, B)
    assert (kind, house.run(result["run"]).state) == ("interrupted", "cancelled")
    assert world.effects == {"paint a": 1, "strip a": 1}


def test_a_resume_that_has_only_to_look_ends_by_a_cancel_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with toy_house(b=["lost", "unanswered"]) as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        _, result = house.work(A, B)
        with house.journal() as journal:
            assert journal.request_stop(result["run"], OTTO)
        house.ask("run.resume", run=result["run"])
        assert house.run(result["run"]).state == "cancelled"
        assert world.effects == {"paint a": 1, "paint b": 1, "strip a": 1}


@pytest.mark.long
def test_a_run_whose_holder_is_seen_to_live_is_not_waited_for(place: Place) -> None:
    house, _ = place
    house.limits["lease"] = "20s"
    with house.journal() as journal:
        held = new_run()
        generation = journal.begin_run(held, "test:1", 20)
        ended = threading.Event()

        def live() -> None:
            for _ in range(200):
                journal.renew(held.id, generation, 20)
                if ended.wait(0.1):
                    return

        holder = threading.Thread(target=live)
        holder.start()
        try:
            kind, result = house.ask("run.resume", run=held.id)
            assert (kind, holder.is_alive()) == ("refused", True)
            assert "is still running" in result["summary"]
        finally:
            ended.set()
            holder.join()


@pytest.mark.long
def test_an_equal_start_ends_by_a_cancel_too(place: Place) -> None:
    house, world = place
    run = killed_at(place, "before paint b", A, B)
    with house.journal() as journal:
        journal.request_stop(run, OTTO)
        expire(journal, run)
    kind, result = house.work(A, B)
    assert (kind, result["run"], house.run(run).state) == ("interrupted", run, "cancelled")
    assert world.effects == {"paint a": 1, "strip a": 1}


def test_what_ended_before_it_was_asked_is_said(place: Place) -> None:
    house, _ = place
    _, done = house.work(B)
    kind, result = house.ask("run.cancel", OTTO, run=done["run"])
    assert (kind, "is succeeded, so there is nothing to cancel" in result["summary"]) == (
        "refused", True
    )  # fmt: skip
    with house.journal() as journal:
        verbs = [one.verb for one in journal.requests_of([done["run"]])[done["run"]]]
    assert verbs == ["start"]


def test_a_cancel_that_is_refused_asks_nothing(place: Place) -> None:
    house, _ = place
    run = killed_at(place, "after paint a", A, B)
    with house.journal() as journal:
        plan = journal.run(run).plan
        assert plan is not None
        plan["stages"][0]["steps"][0]["version"] = 7
        expire(journal, run)
        _write(journal, run, plan=plan)
    assert house.ask("run.cancel", run=run)[0] == "refused"
    with house.journal() as journal:
        assert journal.stop_requested(run) is None


@pytest.mark.long
def test_an_execution_that_is_cancelled_is_remembered(place: Place) -> None:
    """StackStorm tells nobody but the process, which can be killed right after."""
    from engine.dispatch import dispatch

    house, world = place
    stages = [{**A, "data": {"seconds": 30}}, B]
    _, result = dispatch(
        "toy.work",
        {"stages": stages, "dry_run": False},
        house.config,
        requester=BOB,
        reporter=house.reporter,
        cancelled=[lambda: "its StackStorm execution e-2 was cancelled" if world.things else None],
    )
    assert "its StackStorm execution e-2 was cancelled" in result["summary"]
    with house.journal() as journal:
        asked = journal.requests_of([result["run"]])[result["run"]]
    assert {(one.verb, one.execution_id) for one in asked} == {("start", "e-2"), ("cancel", "e-2")}


@pytest.fixture(scope="module")
def server() -> Iterator[SmtpProcess]:
    with TemporaryDirectory() as folder, SmtpProcess(Path(folder) / "smtp", Options()) as made:
        yield made


def one_round(server: SmtpProcess, number: int) -> str:
    """Kill a campaign, resume and cancel it at one instant; return what is wrong then."""
    to = [f"r{number}-{n}@example.org" for n in range(8)]
    with mail_house(server) as house:
        house.limits = {"lease": "1s", "grace": "1s"}
        with MailVictim(house.config, "toy.mail", ("after end", 2), to=to, campaign="c") as victim:
            victim.killed()
        with house.journal() as journal:
            run = journal.recent(limit=1)[0].id
        asked = [
            MailVictim(house.config, name, run=run)
            for name in (("run.resume", "run.cancel"), ("run.cancel", "run.resume"))[number % 2]
        ]
        answers = []
        for victim in asked:
            with victim:
                answers.append(victim.answer())
        with house.journal() as journal:
            state, left = journal.run(run).state, journal.claims_of(run)
            requests = [(r.verb, r.settled_as) for r in journal.requests_of([run])[run]]
    got = Counter(mail.recipient for mail in server.accepted if mail.recipient in to)
    cancel = answers[(number + 1) % 2]
    right = (state, left, cancel["kind"]) == ("cancelled", [], "done")
    if right and got == dict.fromkeys(to[:2], 1) and ("cancel", "cancelled") in requests:
        return ""
    return f"{number}: {state}, {dict(got)}, {requests}, {cancel['result']['summary']}"


def rounds(server: SmtpProcess, many: int) -> None:
    with ThreadPoolExecutor(4) as pool:
        wrong = [one for one in pool.map(lambda n: one_round(server, n), range(many)) if one]
    assert wrong == []


@pytest.mark.long
def test_a_campaign_is_cancelled_and_resumed_at_one_instant(server: SmtpProcess) -> None:
    rounds(server, ROUNDS)


@pytest.mark.crash
def test_a_campaign_is_cancelled_and_resumed_at_one_instant_fifty_times(
    server: SmtpProcess,
) -> None:
    rounds(server, 50)


# -- who did it --------------------------------------------------------------------------------


@pytest.mark.long
def test_each_who_did_something_is_named(place: Place) -> None:
    house, _ = place
    _, shown = house.work(A, {**B, "to": ["b", "c"]}, dry_run=True)
    run = shown["run"]
    with Victim(house, place[1].path, "run.apply", "before paint b", run=run) as victim:
        victim.wait_for("before paint b")
        victim.signal(signal.SIGKILL)
    _, listed = house.ask("run.list")
    assert (listed["rows"][0]["drawn_by"], listed["rows"][0]["applied_by"]) == ("ann", "victim")
    kind, _ = house.ask("run.cancel", OTTO, run=run)
    assert kind == "done"
    _, told = house.ask("run.show", run=run)
    for line in (
        "drawn by ann (test) at ",
        "applied by victim (test) at ",
        "cancelled by otto (StackStorm execution e-3) at ",
    ):
        assert f"\n{line}" in told["text"], told["text"]
    _, listed = house.ask("run.list")
    (row,) = listed["rows"]
    assert row["by"] == "ann; applied by victim; cancelled by otto"
    assert (row["started_by"], row["resumed_by"], row["cancelled_by"]) == (None, None, "otto")
    assert "(StackStorm execution e-3)" in house.run(run).summary


@pytest.mark.long
def test_who_started_and_resumed_a_run_is_named(place: Place) -> None:
    house, _ = place
    run = killed_at(place, "before paint b", A, B)
    assert house.ask("run.resume", BOB, run=run)[0] == "done"
    _, told = house.ask("run.show", run=run)
    assert "\nstarted by victim (test) at " in told["text"]
    assert "\nresumed by bob (StackStorm execution e-2) at " in told["text"]


def test_who_was_refused_to_apply_a_plan_has_not_applied_it(place: Place) -> None:
    house, _ = place
    run = house.work(A, dry_run=True)[1]["run"]
    with house.journal() as journal:
        plan = journal.run(run).plan
        assert plan is not None
        plan["stages"][0]["steps"][0]["data"]["color"] = "red"
        _write(journal, run, plan=plan)
    assert house.ask("run.apply", BOB, run=run)[0] == "refused"
    assert house.ask("run.cancel", OTTO, run=run)[0] == "done"
    (row,) = house.ask("run.list")[1]["rows"]
    assert (row["applied_by"], row["cancelled_by"]) == (None, "otto")


# -- runs that gave way, or never began ----------------------------------------------------------


def test_a_start_that_went_on_with_another_run_ends_as_that_one(place: Place) -> None:
    house, _ = place
    run = killed_at(place, "before paint b", A, B)
    with house.journal() as journal:
        expire(journal, run)
    kind, result = house.work(A, B)
    assert (kind, result["run"]) == ("done", run)
    gave_way = that_gave_way(house)
    assert house.run(run).state == gave_way.state == "succeeded"
    assert gave_way.gave_way_to == run
    assert f"as run {run} and gave way" in (gave_way.summary or "")
    assert gave_way.error is None


def test_a_rule_whose_work_is_being_done_has_not_failed(place: Place) -> None:
    house, _ = place
    asked = []

    def pause(where: str) -> None:
        if where == "before paint b" and not asked:
            asked.append(house.ask("toy.work", RULE, stages=[B]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "pause", staticmethod(pause))
        house.work(B)
    assert asked[0][0] == "done"
    assert that_gave_way(house).state == "cancelled"
    _, listed = house.ask("run.list")
    assert [row["state"] for row in listed["rows"]] == ["succeeded"]


@pytest.mark.long
def test_runs_that_gave_way_are_not_listed_nor_counted(place: Place) -> None:
    house, _ = place
    house.work({**B, "to": ["c"]})
    run = killed_at(place, "before paint b", B)
    with house.journal() as journal:
        expire(journal, run)
        journal.take(run, "test:1", 600, states=("running",))
    for number in range(3):  # as a rule asks again and again while one is at it
        house.work(B, requester=Requester(user="st2", origin="test", trigger_id=f"t-{number}"))
    _, listed = house.ask("run.list", limit=2)
    assert (len(listed["rows"]), listed["summary"]) == (2, "2 runs")
    assert listed["rows"][0]["id"] == run
    gave_way = that_gave_way(house)
    _, told = house.ask("run.show", run=gave_way.id)
    assert f"it gave way to run {run}" in told["text"]


def that_gave_way(house: House) -> RunRecord:
    """Return the newest run that gave way to another."""
    from state.records import read_run, select_runs
    from state.schema import runs

    newest = select_runs().where(runs.c.gave_way_to.is_not(None)).order_by(runs.c.created_at.desc())
    with house.journal() as journal, journal.store.reading() as tx:
        row = tx.execute(newest).first()
        assert row is not None
        return read_run(row)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["claimed", "before claim", "after begin_run"])
def test_one_that_was_killed_while_planning_is_closed_by_an_equal_start(
    place: Place, moment: str
) -> None:
    house, _ = place
    run = killed_at(place, moment, B)
    _, told = house.ask("run.show", run=run)
    with house.journal() as journal:
        expire(journal, run)
    _, told = house.ask("run.show", run=run)
    assert "it had changed nothing: start it again" in told["text"]
    assert "run.resume" not in told["text"]
    assert house.work({**B, "to": ["c"]})[0] == "done"
    assert house.run(run).shown_state == "interrupted"  # that was not equal
    assert house.work(B)[0] == "done"
    assert house.run(run).state == "cancelled"


def test_one_of_0_1_0_that_nobody_acted_for_is_no_plan(place: Place) -> None:
    """Version 0.1.0 wrote a run as planned before it took it, and could be killed in between."""
    house, _ = place
    with house.journal() as journal:
        dead = new_run(**_equal(house))
        journal.create(dead, "planned")
        assert [run.id for run in journal.recent(limit=5, state="interrupted")] == [dead.id]
        assert journal.recent(limit=5, state="planned") == []
    _, told = house.ask("run.show", run=dead.id)
    assert "it had changed nothing: start it again" in told["text"]
    assert "run.apply" not in told["text"]
    kind, result = house.ask("run.resume", run=dead.id)
    assert (kind, "Start again" in result["summary"]) == ("failed", True)
    assert house.run(dead.id).state == "cancelled"


def _equal(house: House) -> dict[str, Any]:
    return {"workflow": "toy.work", "parameters": {"stages": [B]}}


def _write(journal: Journal, run: str, **values: Any) -> None:
    from sqlalchemy import update

    from state.schema import runs

    with journal.store.transaction() as tx:
        tx.execute(update(runs).where(runs.c.id == run).values(**values))


# -- what is held ------------------------------------------------------------------------------


def test_a_claim_is_told_by_name(place: Place) -> None:
    house, _ = place
    with house.journal() as journal:
        mine, other = new_run(), new_run()
        generation = journal.begin_run(mine, "test:1", 60)
        journal.claim(mine.id, generation, {"hypervisor:4a12": "cmp-1\x1b[31m", "server:1": ""})
        told = journal.named_claims_of(mine.id)
        assert told == {"hypervisor:4a12": "hypervisor cmp-1", "server:1": "server:1"}
        mark = journal.begin_run(other, "test:2", 60)
        with pytest.raises(Exception, match=r"^Hypervisor cmp-1 is held by run"):
            journal.claim(other.id, mark, {"hypervisor:4a12": "cmp-1"})
    _, shown = house.ask("run.show", run=mine.id)
    assert "holds hypervisor cmp-1, server:1" in shown["text"]
