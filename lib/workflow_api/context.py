"""What a runbook gets from its run: who asked, the configuration, claims, and a voice."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from accounts.config import PackConfig
    from accounts.read_cache import SharedReads
    from state.journal import Journal
    from workflow_api.plan import Plan


class Requester(msgspec.Struct, frozen=True):
    """Who asked for a run and from where.

    ``user`` is asserted by StackStorm, not proven (any authenticated user can name another one
    unless RBAC is on). ``trigger_id`` is the id of the trigger instance if a rule asked.
    """

    user: str = msgspec.field(default_factory=lambda: _user())
    origin: str = msgspec.field(
        default_factory=lambda: f"local:{os.uname().nodename}:{os.getpid()}"
    )
    execution_id: str | None = None
    trigger_id: str | None = None

    @property
    def is_rule(self) -> bool:
        """Whether a rule asked, and not a person."""
        return self.trigger_id is not None


def _user() -> str:
    try:
        import getpass

        return getpass.getuser()
    except (KeyError, OSError):  # a container's user that has no name
        return str(os.getuid())


class Claimable(Protocol):
    """A thing of a cloud that a run can claim: ``subject`` is its kind and UUID.

    If it has a ``name``, that is what people are told who holds.
    """

    @property
    def subject(self) -> str:
        """``server:<uuid>``: no name and no alias of a cloud, so two configurations agree."""


class Claims(Protocol):
    """Where claims are kept: the journal in a run, a reporter of holders in a dry run."""

    def claim(self, things: Mapping[str, str]) -> None:
        """Take all of the subjects or none; raises Held.

        ``things`` has the name of each subject, "" where it has none.
        """


class Others(Protocol):
    """Other workflows, for child runs of the plan that is drawn."""

    def check(self, workflow: str, parameters: Mapping[str, Any]) -> None:
        """Raise UserError for parameters that the workflow does not take."""

    def draw(self, workflow: str, parameters: Mapping[str, Any], claims: Claims) -> Plan:
        """Return the plan of the workflow; raises what refuses it."""


class NoClaims:
    """A reading runbook claims nothing."""

    def claim(self, things: Mapping[str, str]) -> None:
        """Raise TypeError."""
        raise TypeError("a runbook that returns a Table changes nothing, so it claims nothing")


class RefreshingClaims:
    """Claims of a run whose plans are drawn with shared reads; those that it has cost nothing.

    A new claim discards the reads: the thing can have changed before it was claimed.
    """

    def __init__(self, claims: Claims, claimed: Iterable[str], reads: SharedReads) -> None:
        self._claims, self._claimed, self._reads = claims, set(claimed), reads

    def claim(self, things: Mapping[str, str]) -> None:
        """Take what is not claimed yet, all or none; raises Held."""
        new = {subject: name for subject, name in things.items() if subject not in self._claimed}
        if new:
            self._claims.claim(new)
            self._claimed.update(new)
            self._reads.forget()


Thing = TypeVar("Thing", bound=Claimable)


class Context(msgspec.Struct):
    """The first argument of every workflow.

    ``asked_at`` is when the run was asked for, in UTC: a plan that is shown and later applied is
    drawn twice with the same, so that what goes by the day does not differ at midnight.
    ``many`` says that the plan is one of many that another runbook asks for: nobody has named its
    thing, so a runbook that ignores protection when a thing is named heeds it then.
    """

    config: PackConfig
    requester: Requester
    claims: Claims
    say: Callable[[str], None]
    open_journal: Callable[[], Journal]
    run: str | None = None
    others: Others | None = None
    many: bool = False
    asked_at: datetime.datetime = msgspec.field(
        default_factory=lambda: datetime.datetime.now(datetime.timezone.utc)
    )

    def claim(self, *things: Thing) -> Sequence[Thing]:
        """Claim all of ``things`` for this run, or none, and return them.

        Raises Held, naming the run that has one of them. In a dry run holders are only reported.
        """
        self.claims.claim({thing.subject: getattr(thing, "name", "") or "" for thing in things})
        return things

    def draw(
        self, workflow: str, parameters: Mapping[str, Any], claims: Claims | None = None
    ) -> Plan:
        """Return the plan of another workflow, for a child run of the plan that is drawn.

        What it claims is claimed for this run, unless ``claims`` are others; accounts that are not
        given are this workflow's own of the same name. Raises what refuses that plan.
        """
        return self._others.draw(workflow, parameters, claims or self.claims)

    def check(self, workflow: str, parameters: Mapping[str, Any]) -> None:
        """Raise UserError if these are no parameters that ``draw`` would take; nothing is asked."""
        self._others.check(workflow, parameters)

    @property
    def _others(self) -> Others:
        if self.others is None:
            raise TypeError("only what returns a Plan draws the plans of others")
        return self.others

    def claimed(self, read: Callable[[], Iterable[Thing]]) -> list[Thing]:
        """Return what ``read()`` finds, read once more after everything in it was claimed.

        What is read before it is claimed can be stale when the claim succeeds.
        """
        taken: set[str] = set()
        while True:
            things = list(read())
            new = [thing for thing in things if thing.subject not in taken]
            if (not new and taken) or not things:
                return things
            self.claim(*new)
            taken.update(thing.subject for thing in new)
