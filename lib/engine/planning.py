"""Drawing plans: calling a workflow, and judging what it returned or what was stored of it."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from common.errors import CloudError, Refused, UserError
from common.text import listed
from common.version import VERSION
from engine.parameter_checks import admit
from engine.parameters import Call, bind
from engine.session import Session
from workflow_api.context import Claims, Context
from workflow_api.plan import Plan
from workflow_api.planned import PlannedStep
from workflow_api.workflow import workflow_named

if TYPE_CHECKING:
    from state.records import NewRun, RunRecord


class _Others:
    """Other workflows under the accounts of a call (see workflow_api.context.Others)."""

    def __init__(
        self,
        session: Session,
        accounts: Mapping[str, str],
        run: str | None,
        asked_at: float | None,
    ) -> None:
        self._session, self._accounts = session, accounts
        self._run, self._asked_at = run, asked_at

    def check(self, workflow: str, parameters: Mapping[str, Any]) -> None:
        """Raise UserError for what would be refused at the door, or does not fit."""
        admit(parameters, self._session.redactor.knows)
        child_call_of(self._session, workflow, self._accounts, parameters)

    def draw(self, workflow: str, parameters: Mapping[str, Any], claims: Claims) -> Plan:
        """Return the plan of the workflow."""
        admit(parameters, self._session.redactor.knows)
        call = child_call_of(self._session, workflow, self._accounts, parameters)
        return draw(self._session, call, claims, self._run, self._asked_at, many=True)


def draw(
    session: Session,
    call: Call,
    claims: Claims,
    run: str | None,
    asked_at: float | None = None,
    *,
    many: bool = False,
) -> Plan:
    """Call the workflow and return its plan with every step's accounts filled in.

    ``asked_at`` is when the run was asked for, in seconds since the epoch; now if it is not given.
    ``many`` says that it is one of many rows of another run.
    """

    context = Context(
        config=session.config,
        requester=session.requester,
        claims=claims,
        say=session.reporter.say,
        open_journal=lambda: session.journal,
        run=run,
        others=_Others(session, call.accounts, run, asked_at),
        many=many,
    )
    if asked_at is not None:
        context.asked_at = datetime.datetime.fromtimestamp(asked_at, datetime.timezone.utc)
    plan = call.workflow.function(context, **call.arguments)
    if not isinstance(plan, Plan):
        raise TypeError(f"{call.workflow.name} returned {type(plan).__name__}, not a Plan")
    plan.bind(call.accounts)
    accounts = (call.arguments[name] for name in call.workflow.accounts)
    each = [one for account in accounts for one in _each(account) if hasattr(one, "shown")]
    plan.where = [account.shown for account in each]
    plan.identities = {account.name: account.identity for account in each}
    return plan


def bounded(session: Session, title: str, changes: int, max_changes: int | None) -> None:
    """Raise Refused if a plan makes more changes than this run may."""
    limit = session.config.limits.max_changes if max_changes is None else max_changes
    if changes > limit:
        raise Refused(
            title,
            [f"it would make {changes} changes and max_changes is {limit}"],
            advice="Narrow what you ask for, or give a larger max_changes.",
        )


def child_call(session: Session, step: PlannedStep, parameters: Mapping[str, Any]) -> Call:
    """Return the call that a child run is; accounts not given are those of its parent."""
    return child_call_of(session, step.data["workflow"], step.accounts, parameters)


def child_call_of(
    session: Session, name: str, accounts: Mapping[str, str], parameters: Mapping[str, Any]
) -> Call:
    """Return the call that a run of this workflow is under a parent with these accounts."""
    workflow = workflow_named(name)
    if not workflow.changes:
        raise TypeError(f"{workflow.name} returns no plan, so it cannot be run within one")
    inherited = {k: v for k, v in accounts.items() if k in workflow.accounts}
    return bind(workflow, {**inherited, **parameters}, session.account)


def stored_call(session: Session, run: RunRecord) -> Call:
    """Return the call that a stored run was."""
    return bind(workflow_named(run.workflow), run.parameters, session.account)


def stored_plan(run: RunRecord) -> Plan:
    """Return the plan of a run as it was stored; raises UserError if this code cannot read it."""
    assert run.plan is not None
    workflow_named(run.workflow)  # registers the steps
    try:
        return Plan.from_data(run.plan)
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"Run {run.id} was planned by version {run.pack_version} of the pack and its plan "
            f"cannot be read by {VERSION} ({error}).",
            advice="Give it up with run.cancel under that version, or make a fresh plan.",
        ) from None


def valid_plan(session: Session, run: RunRecord, states: Collection[str]) -> Plan:
    """Return the stored plan if this code can still do what is to be done about its steps.

    Steps in one of ``states`` must be known with their meaning unchanged, and so must those that
    are done and may have to be undone; and the clouds they are for must be where they were. Raises
    Refused with all that is wrong.
    """
    plan = stored_plan(run)
    known = {step.key: step.state for step in session.journal.steps(run.id)}
    wrong, left = [], []
    for step in plan.steps():
        state = known.get(step.key, "pending")
        if not (state in states or (state == "done" and (step.undo != "never" or step.is_child))):
            continue
        left.append(step)
        if step.is_child:
            continue
        try:
            if step.definition.version != step.version:
                wrong.append(f"{step.sentence} (its meaning has changed)")
            step.definition.check(step.data)
        except (KeyError, TypeError):
            wrong.append(f"{step.sentence} (this code has no such step)")
    if wrong:
        raise Refused(
            f"Going on with run {run.id} of version {run.pack_version} under {VERSION}",
            wrong,
            advice="Give it up with run.cancel under the old version, then make a fresh plan.",
        )
    if elsewhere := _elsewhere(session, run, plan, left):
        raise Refused(
            f"Going on with run {run.id}",
            elsewhere,
            advice="Nothing was asked or changed there. Put the configuration back to where it was "
            "planned for; then go on with the run or give it up.",
        )
    return plan


def _each(account: Any) -> Iterable[Any]:
    """Return the accounts that one of a kind that is of several stands for, or the one it is."""
    return account if isinstance(account, tuple) else (account,)


def _elsewhere(
    session: Session, run: RunRecord, plan: Plan, left: Iterable[PlannedStep]
) -> list[str]:
    """Return, in a sentence each, which accounts of the steps that are left are another by now.

    What a step did in one region or cloud is not found in another, where it would be done again.
    """
    used = {one for step in left for name in step.accounts.values() for one in name.split(",")}
    found = []
    for argument, kind in workflow_named(run.workflow).accounts.items():
        if not plan.where or not hasattr(kind, "shown"):
            continue
        for account in _each(session.account(kind, run.parameters.get(argument))):
            if account.name not in used:
                continue
            now = {account.name: account.identity}
            if account.shown in plan.where and not plan.moved(now):
                continue
            # One that cannot be asked is found out about by its steps.
            with suppress(CloudError):
                account.locate()
                found += plan.moved({account.name: account.identity})
                if account.shown not in plan.where:
                    before = listed(plan.where)
                    found.append(f"it was planned for {before}, and now that is {account.shown}")
    return found


def new_run(
    session: Session,
    run: str,
    call: Call,
    max_changes: int | None = None,
    ticket: str | None = None,
) -> NewRun:
    """Return what is known of a run when it is begun."""
    from state.records import NewRun

    requester = session.requester
    return NewRun(
        id=run,
        workflow=call.workflow.name,
        parameters=call.plain,
        request=call.request,
        pack_version=VERSION,
        requested_by=requester.user,
        origin=requester.origin,
        ticket=ticket,
        execution_id=requester.execution_id,
        max_changes=max_changes,
    )
