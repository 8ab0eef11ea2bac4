"""Drawing the plans of many calls: each as if it was asked for alone, and what is refused told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

import msgspec

from accounts.looks import Look, looking
from bulk.calls import Called, Rows
from common.errors import Held, Refused, UserError
from workflow_api import Context, Plan, clean, count
from workflow_api.context import Claims, LookedAt
from workflow_api.planned import ChildRun, Drawn, OnFailure
from workflow_api.workflow import Workflow

# A bulk run that was left may be this very one, asked for again: it is gone on with instead.
_OWN = "bulk.run"


class _Gathered(msgspec.Struct):
    """Claims of a first look: they are gathered, and taken all at once behind it."""

    things: dict[str, str] = {}

    def claim(self, things: Mapping[str, str]) -> None:
        """Remember the subjects."""
        self.things |= things


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the runs go on at once, and what a failure of one means for the others."""

    at_most: int
    at_most_per: int | None = None
    on_failure: OnFailure = "stop"


class Drawing:
    """The plan of many calls of one action, while it is drawn."""

    def __init__(self, ctx: Context, action: Workflow, title: str) -> None:
        self.ctx, self.action, self.plan = ctx, action, Plan(title)
        self._gathered: dict[str, dict[str, str]] = {}
        self._refused: list[str] = []

    def draw(self, calls: Sequence[Called], look: Look) -> dict[str, Plan]:
        """Return the plans of those calls that have something to do, by the calls' keys.

        All are drawn by one ``look``. What has to be claimed can have changed until it was: so
        they are drawn once more by another one behind that.
        """
        with looking(look):
            return self._by(calls, look)

    def _by(self, calls: Sequence[Called], look: Look) -> dict[str, Plan]:
        first = {call.key: plan for call in calls if (plan := self._drawn(call, look))}
        rest = [call for call in calls if call.key in first]
        if self.ctx.run is None:
            self.ctx.claims.claim(self._subjects(rest))
            return first
        rest = self._claimed(rest)
        claims = LookedAt(self.ctx.claims, set(self._subjects(rest)), look)
        look.forget()
        self.plan.look = look
        return {call.key: plan for call in rest if (plan := self._drawn(call, look, claims))}

    def _claimed(self, calls: list[Called]) -> list[Called]:
        """Claim what the calls are about, and return those of which all could be claimed."""
        while True:
            try:
                self.ctx.claims.claim(self._subjects(calls))
                return calls
            except Held as held:
                if held.workflow == _OWN:
                    raise
                kept = [c for c in calls if held.subject not in self._gathered[c.key]]
                for call in calls:
                    if held.subject in self._gathered[call.key]:
                        self.leave(call, held)
                calls = kept

    def _subjects(self, calls: Sequence[Called]) -> dict[str, str]:
        return {
            subject: name for call in calls for subject, name in self._gathered[call.key].items()
        }

    def _drawn(self, call: Called, look: Look, claims: Claims | None = None) -> Plan | None:
        """Return a call's plan if there is something to do; else say why there is none."""
        gathered = _Gathered({})
        mark = look.mark()
        try:
            plan = self.ctx.draw(self.action.name, call.parameters, claims or gathered)
        except Refused as error:
            look.take_back(mark)
            if error.kept:
                self.plan.skip(call.row.what, "; ".join(error.reasons), **call.about)
            else:
                self.leave(call, error)
            return None
        except UserError as error:
            look.take_back(mark)
            self.leave(call, error)
            return None
        self._gathered.setdefault(call.key, {}).update(gathered.things)
        if not any(plan.steps()):
            said = [f"{entry['why']}" for entry in (*plan.skipped, *plan.left)]
            self.plan.skip(call.row.what, "; ".join(said) or "there is nothing to do", **call.about)
            return None
        return plan

    def leave(self, call: Called, error: UserError) -> None:
        """Say that a row is left, and why."""
        reasons = getattr(error, "reasons", None)
        why = "; ".join(reasons) if reasons else str(error)
        self._refused.append(f"{call.row.what}: {why}")
        self.plan.leave(call.row.what, why, **call.about)

    def whole(self, calls: Sequence[Called], drawn: Mapping[str, Plan], group: Group) -> Plan:
        """Return the plan: a child run for each call that has something to do.

        Raises Refused if each and every row is refused.
        """
        if self._refused and not drawn and not self.plan.skipped:
            self.plan.refuse(self._refused)
        at = time.monotonic()
        runs = [
            ChildRun(
                key=_key(self.action.name, call),
                parameters=call.parameters,
                sentence=plan.title,
                drawn=Drawn(plan, at),
                group=call.group,
                about=call.about,
            )
            for call in calls
            if (plan := drawn.get(call.key)) is not None
        ]
        self.plan.each_run(
            self.action.name,
            runs,
            at_most=group.at_most,
            at_most_per=group.at_most_per,
            on_failure=group.on_failure,
        )
        return self.plan


def title_of(action: str, rows: Rows) -> str:
    """Return what a bulk run is called."""
    return f"{action} for {count(len(rows.calls) + len(rows.gaps), 'row')} of {clean(rows.what)}"


def _key(action: str, call: Called) -> str:
    # The order of rows may differ when the plan is drawn again; what is done in each does not.
    return f"{action}:{hashlib.sha256(call.key.encode()).hexdigest()[:24]}"
