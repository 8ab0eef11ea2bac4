"""Plans of many calls: each is drawn as if it was requested alone, and refusals are reported."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence

import msgspec

from accounts.read_cache import SharedReads, reading_with
from bulk.calls import RowCall, Rows
from common.errors import Held, Refused, UserError
from workflow_api import Context, Plan, clean, count
from workflow_api.context import Claims, RefreshingClaims
from workflow_api.planned import ChildRun, Drawn, OnFailure
from workflow_api.workflow import Workflow

# A bulk run that was left may be this very one, asked for again: that one is resumed instead.
_OWN = "bulk.run"


class _Gathered(msgspec.Struct):
    """Claims of the first drawing: they are gathered, and all taken at once after it."""

    things: dict[str, str] = {}

    def claim(self, things: Mapping[str, str]) -> None:
        """Remember the subjects."""
        self.things |= things


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the runs go on at once, and what a failure of one means for the others."""

    at_most: int
    at_most_per: int | None = None
    on_failure: OnFailure = "stop"


class BulkPlanner:
    """The plan of many calls of one action, while it is drawn."""

    def __init__(self, ctx: Context, action: Workflow, title: str) -> None:
        self.ctx, self.action, self.plan = ctx, action, Plan(title)
        self._gathered: dict[str, dict[str, str]] = {}
        self._refused: list[str] = []

    def draw(self, calls: Sequence[RowCall], reads: SharedReads) -> dict[str, Plan]:
        """Return the plans of those calls that have something to do, by the calls' keys.

        All share ``reads``. A thing can have changed before it was claimed: so all are drawn once
        more, with new reads, when everything is claimed.
        """
        with reading_with(reads):
            return self._by(calls, reads)

    def _by(self, calls: Sequence[RowCall], reads: SharedReads) -> dict[str, Plan]:
        first = {call.key: plan for call in calls if (plan := self._drawn(call, reads))}
        rest = [call for call in calls if call.key in first]
        if self.ctx.run is None:
            self.ctx.claims.claim(self._subjects(rest))
            return first
        rest = self._claimed(rest)
        claims = RefreshingClaims(self.ctx.claims, set(self._subjects(rest)), reads)
        reads.forget()
        self.plan.reads = reads
        return {call.key: plan for call in rest if (plan := self._drawn(call, reads, claims))}

    def _claimed(self, calls: list[RowCall]) -> list[RowCall]:
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

    def _subjects(self, calls: Sequence[RowCall]) -> dict[str, str]:
        return {
            subject: name for call in calls for subject, name in self._gathered[call.key].items()
        }

    def _drawn(
        self, call: RowCall, reads: SharedReads, claims: Claims | None = None
    ) -> Plan | None:
        """Return a call's plan if there is something to do; else say why there is none."""
        gathered = _Gathered({})
        mark = reads.mark()
        try:
            plan = self.ctx.draw(self.action.name, call.parameters, claims or gathered)
        except Refused as error:
            reads.take_back(mark)
            if error.kept:
                self.plan.skip(call.row.what, "; ".join(error.reasons), **call.about)
            else:
                self.leave(call, error)
            return None
        except UserError as error:
            reads.take_back(mark)
            self.leave(call, error)
            return None
        self._gathered.setdefault(call.key, {}).update(gathered.things)
        if not any(plan.steps()):
            reasons = [f"{entry['why']}" for entry in (*plan.skipped, *plan.left)]
            self.plan.skip(
                call.row.what, "; ".join(reasons) or "there is nothing to do", **call.about
            )
            return None
        return plan

    def leave(self, call: RowCall, error: UserError) -> None:
        """Say that a row is left, and why."""
        reasons = getattr(error, "reasons", None)
        why = "; ".join(reasons) if reasons else str(error)
        self._refused.append(f"{call.row.what}: {why}")
        self.plan.leave(call.row.what, why, **call.about)

    def whole(self, calls: Sequence[RowCall], drawn: Mapping[str, Plan], group: Group) -> Plan:
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


def _key(action: str, call: RowCall) -> str:
    # The order of rows may differ when the plan is drawn again; what is done in each does not.
    return f"{action}:{hashlib.sha256(call.key.encode()).hexdigest()[:24]}"
