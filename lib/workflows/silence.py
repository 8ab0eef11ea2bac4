"""Runbooks about the silences of an Alertmanager: list, create, extend, expire."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Literal

from accounts.alertmanager import Alertmanager
from alertmanager_api import alerts, silences
from alertmanager_api.matchers import Matcher, parse, written
from alertmanager_api.silences import Silence
from alertmanager_api.status import status
from monitoring import marks
from monitoring import silences as steps
from monitoring.times import shown, window, wrong
from workflow_api import (
    Ambiguous,
    Context,
    End,
    NotFound,
    Plan,
    Table,
    UserError,
    clean,
    count,
    near,
    workflow,
)
from workflow_api.parameters import (
    AlertMatchers,
    Name,
    RowLimit,
    SilenceId,
    SilenceReason,
    Starts,
    Until,
)


@workflow("silence.list")
def list_silences(
    ctx: Context,
    alertmanager: Alertmanager,
    state: Literal["current", "active", "pending", "expired", "any"] = "current",
    *,
    ours: bool = False,
    run: Name = "",
    limit: RowLimit = 1000,
) -> Table:
    """List the silences of an Alertmanager, with the runs that created those of runbooks.

    state: Those in force (active), to come (pending), both (current), ended (expired), or any.
    ours: Only those that runbooks made.
    run: Only those that this run made, by its id or the start of it.
    """
    wanted = {"current": ("active", "pending"), "any": ("active", "pending", "expired")}
    found = [
        row
        for silence in silences.listed(alertmanager)
        if silence.state in wanted.get(state, (state,))
        for row in [_row(silence)]
        if (row["run"] or not ours) and (row["run"] or "").startswith(run.lower())
    ]
    return Table(
        ("id", "state", "matchers", "ends_at", "created_by", "comment"),
        found[:limit],
        units={"starts_at": "time", "ends_at": "time"},
        extra=("starts_at", "run"),
        summary=f"{count(len(found), 'silence')} in {alertmanager.name}",
    )


def _row(silence: Silence) -> dict[str, Any]:
    return {
        "id": silence.id,
        "state": silence.state,
        "matchers": clean(written(silence.matchers)),
        "starts_at": _utc(silence.starts_at),
        "ends_at": _utc(silence.ends_at),
        "created_by": clean(silence.created_by),
        "comment": clean(silence.comment),
        "run": marks.run_of(silence.created_by, silence.comment),
    }


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S}Z"


@workflow("silence.create", timeout="10m")
def create_silence(
    ctx: Context,
    alertmanager: Alertmanager,
    matchers: AlertMatchers,
    reason: SilenceReason,
    *,
    until: Until = End("2h"),  # noqa: B008 - a constant
    starts: Starts | None = None,
) -> Plan:
    """Silence the alerts that pass matchers, until the silence ends or is expired.

    It is done if the same matchers are silenced for as long already.
    """
    conditions = parse(matchers)
    text = written(conditions)
    plan = Plan(f"Silence {text} in {alertmanager.name}")
    plan.refuse([*wrong(reason, until, starts), *_reasons(alertmanager, conditions)])
    ctx.claim(steps.to_come(alertmanager, text))
    begin, end = window(until, starts, ctx.asked_at)
    if done := steps.whose(silences.listed(alertmanager), conditions, begin, end):
        plan.skip(text, done)
        return plan
    firing = alerts.firing(alertmanager, conditions)
    names = sorted({clean(alert.name) for alert in firing})
    plan.note(f"{count(len(firing), 'alert')} of these fire now" + _names(names))
    plan.add(steps.create, **steps.data(alertmanager, text, reason, until, starts))
    return plan


def _reasons(alertmanager: Alertmanager, conditions: tuple[Matcher, ...]) -> list[str]:
    """Return why a silence of these conditions cannot be made there."""
    if all(one.is_equal for one in conditions):
        return []
    known = status(alertmanager)
    if known.knows_negative_matchers:
        return []
    version = clean(known.version)
    return [
        f"version {version} of Alertmanager has no negative matchers, it would silence the opposite"
    ]


def _to(silence: Silence) -> str:
    return f"until {shown(silence.ends_at)}"


def _names(names: list[str]) -> str:
    some = ", ".join(names[:5]) + (", ..." if names[5:] else "")
    return f": {some}" if some else ""


@workflow("silence.extend", one_object=True, timeout="10m")
def extend_silence(
    ctx: Context,
    alertmanager: Alertmanager,
    silence: SilenceId,
    *,
    until: Until = End("2h"),  # noqa: B008 - a constant
) -> Plan:
    """Extend a silence, whoever created it; one that already ends later is left alone."""
    found = _named(alertmanager, silence)
    ctx.claim(steps.claimed(found))
    about = steps.about(alertmanager, found)
    plan = Plan(f"Extend silence {found.id} in {alertmanager.name}")
    now = datetime.now(timezone.utc)
    reasons = []
    if found.has_ended:
        reasons.append(f"it has ended at {shown(found.ends_at)}: make another one")
    try:
        end = until.after(ctx.asked_at)
        if end <= now:
            reasons.append(f"{shown(end)} is over")
    except OverflowError:
        reasons.append("there is no calendar for such an end")
    plan.refuse(reasons)
    if found.ends_at >= end:
        plan.skip(f"silence {found.id}", f"it goes on {_to(found)} as it is")
    else:
        plan.add(steps.extend, **about, ends=str(until), lasting=until.sentence)
    return plan


@workflow("silence.expire", timeout="10m")
def expire_silence(ctx: Context, alertmanager: Alertmanager, silence: Name) -> Plan:
    """Expire a silence, or all that a run has created; those that have ended are left alone.

    silence: The silence by its id, or the run that made silences by its id or the start of it.
    """
    found = _of(alertmanager, silence)
    ctx.claim(*map(steps.claimed, found))
    plan = Plan(f"Expire silences in {alertmanager.name}")
    for one in found:
        about = steps.about(alertmanager, one)
        if one.has_ended:
            plan.skip(f"silence {one.id} ({about['matchers']})", "it has ended")
            continue
        if marks.run_of(one.created_by, one.comment) is None:
            plan.note(f"silence {one.id} is of {clean(one.created_by)}, not of a runbook")
        plan.add(steps.expire, **about)
    return plan


def _of(alertmanager: Alertmanager, wanted: str) -> list[Silence]:
    """Return the silence of an id, or those that a run has made; raises NotFound, Ambiguous."""
    if (one := silences.find(alertmanager, wanted)) is not None:
        return [one]
    known = silences.listed(alertmanager)
    by_run: dict[str, list[Silence]] = {}
    if marks.START.fullmatch(wanted):
        for silence in known:
            run = marks.run_of(silence.created_by, silence.comment)
            if run and run.startswith(wanted.lower()):
                by_run.setdefault(run, []).append(silence)
    if len(by_run) > 1:
        raise Ambiguous("run", clean(wanted), list(by_run), where=alertmanager.who)
    if not by_run:
        raise _no_such(alertmanager, wanted, known)
    (found,) = by_run.values()
    return found


def _named(alertmanager: Alertmanager, wanted: str) -> Silence:
    found = silences.find(alertmanager, wanted)
    if found is None:
        raise _no_such(alertmanager, wanted, silences.listed(alertmanager))
    return found


def _no_such(alertmanager: Alertmanager, wanted: str, known: list[Silence]) -> UserError:
    names = near(clean(wanted), [one.id for one in known if not one.has_ended])
    return NotFound("silence", clean(wanted), where=alertmanager.who, near=names)
