"""Starting, showing, applying, resuming and cancelling runs, as the dispatcher does it."""

from __future__ import annotations

import datetime
import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from state.schema import runs as runs_table
from state.store import Store
from support import sample_runbooks as toys
from support.runs import PERSON, House, toy_house
from support.sample_runbooks import WORLD, World
from workflow_api import Context, Plan, Requester, Table, workflow

Place = tuple[House, World]
A = {"do": "paint", "to": ["a"]}
B = {"do": "paint", "to": ["b"]}
RULE = Requester(user="st2", origin="test", trigger_id="t-1")


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with toy_house() as (house, world):
        monkeypatch.setenv(WORLD, str(world.path))
        yield house, world


def break_look_up(world: World, name: str) -> None:
    """Let a change of ``name`` be left open."""
    state = world.state
    state["faults"][name] = ["lost", "unanswered"]
    world.path.write_text(json.dumps(state))


def rewrite(house: House, run: str, **values: Any) -> None:
    """Change what is journalled of a run, as time would."""
    store = Store(house.state_url)
    with store.transaction() as tx:
        tx.execute(update(runs_table).where(runs_table.c.id == run).values(**values))
    store.close()


def test_a_dry_run_changes_nothing_and_is_applied_as_shown(place: Place) -> None:
    house, world = place
    kind, shown = house.work(A, B, dry_run=True)
    assert kind == "done"
    assert not world.effects
    assert house.run(shown["run"]).state == "planned"
    assert house.claims(shown["run"]) == []
    assert f"run.apply run={shown['run']}" in shown["text"]
    kind, applied = house.ask("run.apply", run=shown["run"])
    assert (kind, applied["run"]) == ("done", shown["run"])
    assert world.effects == {"paint a": 1, "paint b": 1}
    kind, again = house.ask("run.apply", run=shown["run"])
    assert (kind, "is succeeded; only a planned run" in again["summary"]) == ("refused", True)


def test_a_dry_run_marks_its_children(place: Place) -> None:
    house, _ = place
    _, shown = house.work(A, {"run": [B, {"run": [{"do": "sweep", "to": ["c"]}]}]}, dry_run=True)
    assert "as it would be now; it is drawn again when it is reached" in shown["text"]
    inner = {row["what"]: row["child_of"] for row in shown["rows"] if row["child_of"]}
    assert inner == {
        "paint b green": "plan.run:1",
        "run toy.work stages=[{'do': 'sweep', 'to': ['c']}]": "plan.run:1",
        "sweep c": "plan.run:1",
    }
    assert "2 steps, 3 changes" in shown["summary"]


def test_apply_refuses_what_was_not_shown(place: Place) -> None:
    house, world = place
    names = ["a"]

    @workflow("toy.changing")
    def changing(ctx: Context, yard: toys.Yard) -> Plan:
        plan = Plan("Paint what there is")
        plan.each(toys.paint, [{"name": name} for name in names])
        return plan

    _, shown = house.ask("toy.changing", dry_run=True)
    names.append("b")
    kind, refused = house.ask("run.apply", run=shown["run"])
    assert kind == "refused"
    assert [entry["why"] for entry in refused["failed"]] == [
        "the plan has changed since it was shown: newly planned: paint b green"
    ]
    assert (house.run(shown["run"]).state, dict(world.effects)) == ("planned", {})
    assert journal_holds(house, shown["run"]) == []
    (row,) = house.ask("run.list")[1]["rows"]
    assert row["applied_by"] is None
    assert "asked to be applied by " in (told := house.ask("run.show", run=shown["run"])[1]["text"])
    assert "; it was not carried out" in told
    # What has come in between is gone again: the plan is the one that was looked at.
    names.remove("b")
    assert house.ask("run.apply", run=shown["run"])[0] == "done"
    assert world.effects == {"paint a": 1}
    run = house.run(shown["run"])
    assert (run.state, run.error) == ("succeeded", None)


def test_a_plan_is_drawn_again_for_the_moment_it_was_asked_for_at(place: Place) -> None:
    house, _ = place
    moments = []

    @workflow("toy.dated")
    def dated(ctx: Context, yard: toys.Yard) -> Plan:
        moments.append(ctx.asked_at)
        plan = Plan("Paint what is of today")
        plan.add(toys.paint, name="a")
        return plan

    _, shown = house.ask("toy.dated", dry_run=True)
    asked_at = house.run(shown["run"]).created_at - 1800
    rewrite(house, shown["run"], created_at=asked_at)
    assert house.ask("run.apply", run=shown["run"])[0] == "done"
    assert moments[1].timestamp() == pytest.approx(asked_at)
    assert moments[0].utcoffset() == moments[1].utcoffset() == datetime.timedelta(0)


def test_apply_refuses_an_old_plan(place: Place) -> None:
    house, _ = place
    _, shown = house.work(A, dry_run=True)
    rewrite(house, shown["run"], created_at=house.run(shown["run"]).created_at - 7200)
    kind, refused = house.ask("run.apply", run=shown["run"])
    assert kind == "refused"
    assert re.search(
        r"is 2h(\d+s)? old; plans are valid for 1h\. Make a new dry run\.", refused["summary"]
    )


@pytest.mark.long
def test_a_planned_run_that_cannot_be_applied_now_can_be_later(place: Place) -> None:
    house, world = place
    break_look_up(world, "a")
    _, open_run = house.work(A)
    _, shown = house.work(A, B, dry_run=True)
    assert f"was left by run {open_run['run']}" in shown["text"]
    kind, _ = house.ask("run.apply", run=shown["run"])
    assert (kind, house.run(shown["run"]).state) == ("refused", "planned")
    assert house.ask("run.cancel", run=open_run["run"])[0] == "done"
    assert house.ask("run.apply", run=shown["run"])[0] == "done"


def test_a_refused_plan_ends_its_run_with_every_reason(place: Place) -> None:
    house, world = place
    kind, result = house.work(A, refuse=["the paint is old", "it rains"])
    assert kind == "refused"
    assert [entry["why"] for entry in result["failed"]] == ["the paint is old", "it rains"]
    with house.journal() as journal:
        (run,) = journal.recent(limit=5)
    assert (run.state, journal_holds(house, run.id), dict(world.effects)) == ("failed", [], {})


def journal_holds(house: House, run: str) -> list[str]:
    return house.claims(run)


@pytest.mark.long
def test_max_changes_counts_parent_and_children(place: Place) -> None:
    house, world = place
    stages = [A, {"run": [B, {"do": "paint", "to": ["c"]}]}]
    kind, result = house.work(*stages, max_changes=2, dry_run=True)
    assert (kind, "3 changes and max_changes is 2" in result["summary"]) == ("refused", True)
    kind, result = house.work(*stages, max_changes=2)
    assert (kind, dict(world.effects)) == ("failed", {"paint a": 1})
    assert "3 changes and max_changes is 2" in result["failed"][0]["why"]
    assert house.work(*stages, max_changes=3)[0] == "done"
    before = world.effects
    kind, result = house.work(A, B, max_changes=1)
    assert (kind, world.effects) == ("refused", before)
    assert house.work(A, max_changes="many")[1]["summary"] == (
        "max_changes is a whole number, not 'many'. Nothing was done."
    )


def test_an_equal_unfinished_run_is_gone_on_with_while_it_is_young(place: Place) -> None:
    house, world = place
    break_look_up(world, "a")
    _, first = house.work(A, B)
    kind, other = house.work(A)  # not equal
    assert (kind, f"was left by run {first['run']}" in other["summary"]) == ("refused", True)
    kind, second = house.work(A, B)
    assert (kind, second["run"]) == ("done", first["run"])
    assert any("going on with it" in line for line in house.reporter.lines)
    assert world.effects == {"paint a": 1, "paint b": 1}


def test_an_old_unfinished_run_is_named_and_left(place: Place) -> None:
    house, world = place
    break_look_up(world, "a")
    _, first = house.work(A)
    rewrite(house, first["run"], ended_at=house.run(first["run"]).now - 7200)
    kind, second = house.work(A)
    assert kind == "refused"
    assert f"run.resume run={first['run']}" in second["summary"]
    assert f"run.cancel run={first['run']}" in second["summary"]


def test_a_trigger_never_starts_twice(place: Place) -> None:
    house, world = place
    kind, first = house.ask("toy.work", RULE, stages=[A])
    assert kind == "done"
    kind, again = house.ask("toy.work", RULE, stages=[A])
    assert (kind, again["run"]) == ("done", first["run"])
    assert again["summary"] == f"already started and succeeded: {first['run']}"
    assert world.effects == {"paint a": 1}
    # A form that leaves the trigger's id empty is a person's.
    for _ in range(2):
        assert house.work(B, trigger_id="")[0] == "done"


def test_a_rule_is_told_who_does_it_already_and_a_person_is_refused(place: Place) -> None:
    house, world = place
    asked: list[tuple[str, dict[str, Any]]] = []

    def pause(where: str) -> None:
        if where == "before paint a" and not asked:
            asked.append(house.ask("toy.work", RULE, stages=[A]))
            asked.append(house.ask("toy.work", PERSON, stages=[A]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "pause", staticmethod(pause))
        _, first = house.work(A)
    (to_rule, told), (to_person, refused) = asked
    assert (to_rule, told["summary"]) == ("done", f"already running: {first['run']}")
    assert (to_person, "which is still running" in refused["summary"]) == ("refused", True)
    assert world.effects == {"paint a": 1}


def test_children_work_in_the_parents_account(place: Place) -> None:
    house, _ = place
    child = {"run": [A]}
    elsewhere = {"run": [B], "yard": "third"}
    kind, result = house.work(child, elsewhere, yard="second")
    assert kind == "done"
    with house.journal() as journal:
        found = [c.parameters["yard"] for c in journal.children(result["run"])]
    assert found == ["second", "third"]


def test_what_cannot_be_gone_on_with_is_refused(place: Place) -> None:
    house, _ = place
    _, done = house.work(A)
    _, planned = house.work(B, dry_run=True)
    for what, run, why in (
        ("run.resume", done["run"], "is succeeded, so there is nothing to go on with"),
        ("run.cancel", done["run"], "is succeeded, so there is nothing to cancel"),
        ("run.resume", planned["run"], "Carry it out with run.apply"),
        ("run.resume", "nonesuch", "There is no run 'nonesuch'"),
    ):
        kind, result = house.ask(what, run=run)
        assert (kind, why in result["summary"]) == ("refused", True), result["summary"]
    assert house.ask("run.cancel", run=planned["run"])[0] == "done"
    assert house.run(planned["run"]).state == "cancelled"


def test_a_step_whose_meaning_changed_is_not_gone_on_with(place: Place) -> None:
    house, world = place
    break_look_up(world, "a")
    _, first = house.work(A, B)
    with house.journal() as journal:
        plan = journal.run(first["run"]).plan
    assert plan is not None
    plan["stages"][1]["steps"][0]["version"] = 7
    rewrite(house, first["run"], plan=plan)
    kind, refused = house.ask("run.resume", run=first["run"])
    assert (kind, "paint b green (its meaning has changed)" in refused["summary"]) == (
        "refused",
        True,
    )
    # To give it up, only what is open or done has to be understood.
    assert house.ask("run.cancel", run=first["run"])[0] == "done"


@pytest.mark.parametrize(
    ("number", "change"),
    [(0, {"version": 7}), (2, {"version": 7}), (2, {"data": {"nome": "c"}}), (2, {"name": "x.y"})],
    ids=["done, and may have to be undone", "another meaning", "other data", "no such step"],
)
def test_what_this_code_cannot_deal_with_is_not_gone_on_with(
    place: Place, number: int, change: dict[str, Any]
) -> None:
    house, world = place
    break_look_up(world, "b")
    _, first = house.work({**A, "undo": "on_failure"}, B, {**B, "to": ["c"]})
    with house.journal() as journal:
        plan = journal.run(first["run"]).plan
    assert plan is not None
    plan["stages"][number]["steps"][0].update(change)
    rewrite(house, first["run"], plan=plan)
    before = world.effects
    kind, refused = house.ask("run.resume", run=first["run"])
    assert (kind, world.effects) == ("refused", before)
    assert plan["stages"][number]["steps"][0]["sentence"] in refused["summary"]


def test_a_bug_while_planning_is_a_failed_result_with_an_id(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    house, _ = place

    @workflow("toy.broken")
    def broken(ctx: Context, yard: toys.Yard, thing: str) -> Plan:
        raise RuntimeError(f"what is {thing}? see mysql://me:hunter22@db/ops")

    with caplog.at_level(logging.ERROR, "openstack_ops"):
        kind, result = house.ask("toy.broken", thing="the-garden-shed")
    assert kind == "failed"
    number = result["summary"].split()[2]
    assert result["summary"].startswith(f"Internal error {number} (RuntimeError)")
    assert "RuntimeError" in caplog.text
    assert number in caplog.text
    for secret in ("the-garden-shed", "hunter22"):
        assert secret not in caplog.text
        assert secret not in json.dumps(result)
    with house.journal() as journal:
        assert journal.recent(limit=1)[0].state == "failed"


def test_a_reporter_that_breaks_stops_no_run(place: Place) -> None:
    house, world = place

    class Broken:
        columns, shows_steps = 0, False

        def __getattr__(self, name: str) -> Any:
            raise BrokenPipeError

    house.reporter = Broken()  # type: ignore[assignment]
    assert house.work(A)[0] == "done"
    assert world.effects == {"paint a": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, RecursionError, MemoryError])
def test_nothing_escapes(place: Place, error: type[BaseException]) -> None:
    house, _ = place

    @workflow("toy.raising")
    def raising(ctx: Context) -> Table:
        raise error

    kind, result = house.ask("toy.raising")
    assert kind == ("interrupted" if error is KeyboardInterrupt else "failed")
    assert json.loads(json.dumps(result)) == result


def test_what_a_table_holds_becomes_json(place: Place) -> None:
    house, _ = place

    @workflow("toy.odd")
    def odd(ctx: Context) -> Table:
        values = [object, {1: {2, 3}}, float("nan"), 2**70, b"x", "\ud800", {"a"}]
        return Table(("value",), [{"value": value} for value in values])

    for form in ("text", "json", "csv", "html", "markdown"):
        kind, result = house.ask("toy.odd", output=form)
        assert kind == "done"
        assert json.loads(json.dumps(result, allow_nan=False).encode()) == result


def test_a_large_answer_is_cut_and_says_so(place: Place, tmp_path: Any) -> None:
    house, _ = place

    @workflow("toy.many")
    def many(ctx: Context) -> Table:
        return Table(("n", "text"), [{"n": n, "text": "x" * 120} for n in range(9_000)])

    whole = tmp_path / "whole.json"
    kind, result = house.ask("toy.many", output="json", output_file=str(whole))
    assert kind == "done"
    assert len(json.dumps(result)) <= 1_000_000
    cut = 9_000 - len(result["rows"])
    assert result["truncated"]["rows"] == cut > 0
    assert result["complete"] is False
    assert f"{cut} of rows left out; the whole is in {whole}" in result["summary"]
    assert len(json.loads(whole.read_text())) == 9_000
    assert whole.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [whole]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("rel.txt", "must be an absolute path, not 'rel.txt'"),
        (5, "must be an absolute path"),
        ("/tmp/a\0b", "holds a NUL character"),
        ("/nowhere/x", "No such file"),
        ("/etc/passwd/x", "is no folder"),
        ("/dev/null", "is no regular file"),
        ("/tmp", "is no regular file"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(
    place: Place, given: object, why: str
) -> None:
    house, _ = place
    asked = []

    @workflow("toy.asking")
    def asking(ctx: Context) -> Table:
        asked.append(ctx)
        return Table((), [])

    kind, result = house.ask("toy.asking", output_file=given)
    assert (kind, why in result["summary"]) == ("refused", True), result["summary"]
    kind, result = house.ask("toy.asking", output="yaml")
    assert (kind, asked) == ("refused", [])


def test_a_link_and_a_pipe_are_left_alone(place: Place, tmp_path: Path) -> None:
    house, _ = place
    link, file, pipe = tmp_path / "link", tmp_path / "file", tmp_path / "pipe"
    link.symlink_to(file)
    os.mkfifo(pipe)
    for path in (link, pipe):
        assert house.ask("toy.list", output="csv", output_file=str(path))[0] == "refused"
    assert (link.is_symlink(), pipe.is_fifo()) == (True, True)
    assert sorted(tmp_path.iterdir()) == [link, pipe]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_file_of_rows_that_is_short_is_marked_by_one_beside_it(
    place: Place, tmp_path: Path, form: str
) -> None:
    house, _ = place
    reasons = [("prod", "cell2 did not answer, see https://me:hunter2@db/")]

    @workflow("toy.short")
    def short(ctx: Context) -> Table:
        return Table(("n",), [{"n": 1}], reasons=reasons)

    whole, beside = tmp_path / "answer", tmp_path / "answer.incomplete"
    for _ in range(2):
        house.ask("toy.short", output=form, output_file=str(whole))
        assert beside.read_text() == "prod: cell2 did not answer, see https://me:********@db/\n"
        assert whole.read_text()
    reasons.clear()
    house.ask("toy.short", output=form, output_file=str(whole))
    assert list(tmp_path.iterdir()) == [whole]


def test_no_secret_gets_into_a_file_either(place: Place, tmp_path: Any) -> None:
    house, _ = place

    @workflow("toy.telling")
    def telling(ctx: Context) -> Table:
        return Table(("address",), [{"address": "https://me:hunter2@db/"}])

    whole = tmp_path / "whole.csv"
    kind, result = house.ask("toy.telling", output="csv", output_file=str(whole))
    assert kind == "done"
    assert "hunter2" not in json.dumps(result) + whole.read_text()
    assert "https://me:********@db/" in whole.read_text()


def test_a_list_of_runs_says_that_there_are_more(place: Place) -> None:
    house, _ = place
    for _ in range(3):
        house.work(dry_run=True)
    told = {limit: house.ask("run.list", limit=limit)[1]["summary"] for limit in (2, 3)}
    assert told == {2: "2 runs; there are more", 3: "3 runs"}


def test_a_reading_runbook_claims_nothing(place: Place) -> None:
    house, _ = place

    @workflow("toy.greedy")
    def greedy(ctx: Context) -> Table:
        ctx.claim(toys.Thing("home", "a"))
        return Table((), [])

    assert house.ask("toy.greedy")[0] == "failed"


def test_a_deadline_that_is_none_is_refused(place: Place) -> None:
    house, _ = place
    kind, result = house.work(A, deadline="soon")
    assert (kind, "deadline is a number of seconds" in result["summary"]) == ("refused", True)
    assert house.work(A, deadline="600")[0] == "done"
