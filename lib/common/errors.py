"""The one tree of exceptions that a runbook may let out.

Everything under :class:`RunbookError` carries a message for the operator. Anything else that
escapes is a bug: the dispatcher gives it an id and keeps its traceback for the log.
"""

from __future__ import annotations

from collections.abc import Sequence


class RunbookError(Exception):
    """Base of all expected failures; ``str(error)`` is a sentence for the operator.

    ``advice`` says what to do next, ``left`` names what was left as it is. ``ending`` is how a
    call ends that lets the error out.
    """

    ending = "failed"

    def __init__(self, message: str, *, advice: str = "", left: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.left = list(left)

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class UserError(RunbookError):
    """Bad input, something not found, or a request that is refused: nothing was changed by it."""

    ending = "refused"


class NotFound(UserError):
    """A name or id that stands for nothing; ``near`` holds names that look like it."""

    def __init__(
        self, kind: str, wanted: str, *, where: str = "", near: Sequence[str] = ()
    ) -> None:
        self.kind, self.wanted, self.near = kind, wanted, list(near)
        place = f" in {where}" if where else ""
        advice = f"Did you mean {' or '.join(self.near)}?" if self.near else ""
        super().__init__(f"There is no {kind} {wanted!r}{place}.", advice=advice)


class Ambiguous(UserError):
    """A name that stands for several things; ``ids`` lists them."""

    def __init__(self, kind: str, wanted: str, ids: Sequence[str], *, where: str = "") -> None:
        self.kind, self.wanted, self.ids = kind, wanted, sorted(ids)
        place = f" in {where}" if where else ""
        super().__init__(
            f"{len(ids)} {kind}s are called {wanted!r}{place}: {', '.join(self.ids)}.",
            advice="Give the id of the one you mean.",
        )


class Refused(UserError):
    """A plan that must not be carried out; ``reasons`` holds every reason, found at once.

    ``kept`` says that what it is about is protected, or locked by somebody.
    """

    def __init__(
        self, what: str, reasons: Sequence[str], *, advice: str = "", kept: bool = False
    ) -> None:
        self.reasons, self.kept = list(reasons), kept
        # Many a reason is an error's sentence, with its full stop.
        listed = "; ".join(reason.rstrip(".") for reason in self.reasons)
        super().__init__(f"{what} is refused: {listed}.", advice=advice)


class Held(UserError):
    """Something this run needs is held by another run, which is named.

    ``subject`` is what was claimed, ``shown`` what people call it (``hypervisor cmp-1``).
    """

    def __init__(
        self, subject: str, run: str, workflow: str, *, unfinished: bool, shown: str = ""
    ) -> None:
        self.subject, self.run, self.workflow, self.unfinished = subject, run, workflow, unfinished
        what = f"{shown[:1].upper()}{shown[1:]}" or subject
        if unfinished:
            message = f"{what} was left by run {run} ({workflow}), which did not finish."
            advice = (
                f"Finish it with run.resume run={run}, or give it up with run.cancel run={run}."
            )
        else:
            message = f"{what} is held by run {run} ({workflow}), which is still running."
            advice = f"Look at it with run.show run={run}; stop it with run.cancel run={run}."
        super().__init__(message, advice=advice)


class AlreadyStarted(Held):
    """A trigger that comes again; the run that it has started is named."""

    def __init__(self, trigger: str, run: str, workflow: str) -> None:
        super().__init__(f"trigger {trigger}", run, workflow, unfinished=False)


class CloudError(RunbookError):
    """What a cloud (or another outside system) answered, with its own request id.

    ``status`` is the HTTP status, or None when there was no answer at all.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str = "",
        advice: str = "",
    ) -> None:
        self.status, self.request_id = status, request_id
        super().__init__(f"{message} [{request_id}]" if request_id else message, advice=advice)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may be answered later: no answer, 408, 429 or 5xx."""
        return self.status is None or self.status >= 500 or self.status in (408, 429)


class UnknownOutcome(RunbookError):
    """A change was sent and nobody can say whether it happened."""


class StepFailed(RunbookError):
    """A step did what it could and the thing it wanted is known not to have happened."""


class Interrupted(RunbookError):
    """Raised by ``Attempt.wait`` in a step that has to be left where a later look-up finds it."""


class Paused(Interrupted):
    """A step whose time has not come; nothing of it is begun, and the run goes on ``at`` a time.

    ``at`` is in seconds since 1970 by the wall clock.
    """

    def __init__(self, why: str, at: float) -> None:
        self.at = at
        super().__init__(why)


class StopRequested(RunbookError):
    """Somebody has asked the run to stop, so nothing more of it is begun; ``reason`` says who."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"It was not begun: {reason}.")


class CutOff(RunbookError):
    """This process can write nothing more of what it does, so it does nothing more.

    ``reason`` is that in a few words. ``run`` is the run that it acted for, if it did.
    """

    reason = "its journal cannot be written"
    run: str | None = None


class LeaseLost(CutOff):
    """This process may no longer act for its run: another one can have taken it over."""

    ending = "interrupted"
    reason = "its lease was lost"

    def __init__(self, run: str) -> None:
        super().__init__(
            f"The lease on run {run} is lost, so nothing more is sent.",
            advice=f"See run.show run={run} for who goes on with it.",
        )
        self.run = run


class StoreLost(CutOff):
    """The state store was deleted, or another one is in its place."""

    reason = "its state store was deleted or replaced"


class StoreError(CutOff, CloudError):
    """The state store does not do what it is asked: it is away, full or damaged."""


class RunCutOff(CutOff):
    """A run that was cut off: what happened, and what can be done with it now."""

    ending = "interrupted"

    def __init__(self, run: str, message: str, *, advice: str) -> None:
        super().__init__(message, advice=advice)
        self.run = run
