"""From an action's name and parameters to its answer. Everything ends here, nothing escapes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from accounts.config import PackConfig, load
from common.errors import CutOff, RunbookError
from common.redaction import Redactor, at_work
from common.result import Result, cap
from common.table import RAW, Table
from common.text import count
from engine.lease import Watcher
from engine.parameter_checks import Common, admit
from engine.parameters import Call, bind
from engine.reporter import LineReporter, Reporter, Voice
from engine.session import Session
from engine.stop import Stop, interruptible
from workflow_api.context import Context, NoClaims, Requester
from workflow_api.workflow import RunRequest, Workflow, workflow_named

if TYPE_CHECKING:
    from engine.output_file import OutputFile
    from engine.runs import Answer

# A run stops early enough before its timeout to journal where it is; SIGKILL gives no warning.
_MARGIN = 5.0
_NOT_WHOLE = "the answer is not whole"


def dispatch(
    name: str,
    parameters: Mapping[str, Any],
    config: Mapping[str, Any] | None,
    *,
    requester: Requester | None = None,
    reporter: Reporter | None = None,
    cancelled: Sequence[Watcher] = (),
) -> tuple[str, dict[str, Any]]:
    """Run workflow ``name`` and return how it ended with its result as plain JSON.

    The first is ``done``, ``failed``, ``refused`` (bad input: nothing was changed) or
    ``interrupted``. ``cancelled`` are asked now and then and answer with a reason to stop.
    """
    started = time.monotonic()
    redactor = Redactor(config or {})
    requester = requester or Requester()
    session = _bare_session(redactor, parameters, requester, reporter)
    with at_work(redactor):
        try:
            common = admit(parameters, redactor.knows)
            session.config = load(config)
            session.deadline, grace = _deadline(common.deadline, session.config, started)
            session.stop = Stop(grace)
            session.cancelled = cancelled
            session.requester = _requester(requester, common)
            with interruptible(session.stop):
                kind, result = _run(session, workflow_named(name), parameters, common)
        except RunbookError as error:
            kind, result = _outcome(error)
        except KeyboardInterrupt:  # while a plan is carried out, signals are heeded elsewhere
            kind, result = "interrupted", _unanswered("Interrupted by Ctrl-C; nothing was changed.")
        except (Exception, SystemExit) as error:
            kind, result = "failed", _unanswered(session.bug(error))
        finally:
            session.close()
        result.trim()
        return kind, cap(redactor.data(result.as_dict()))


def _run(
    session: Session, workflow: Workflow, parameters: Mapping[str, Any], common: Common
) -> tuple[str, Result]:
    call = bind(workflow, parameters, session.account)
    if not workflow.changes:
        return _read(session, call, common)
    from engine.runs import Runs

    if "output_file" in workflow.types:
        _file(session.config, common.output_file)  # looked at before anything is done
    action = Runs.dry_run if common.dry_run else Runs.start
    answer = action(Runs(session), call, common.max_changes, common.ticket)
    _prune(session)
    return _ended(session, answer)


def _read(session: Session, call: Call, common: Common) -> tuple[str, Result]:
    file = _file(session.config, common.output_file)  # looked at before time is spent on an answer
    context = Context(
        config=session.config,
        requester=session.requester,
        claims=NoClaims(),
        say=session.reporter.say,
        open_journal=lambda: session.journal,
    )
    answer = call.workflow.function(context, **call.arguments)
    if isinstance(answer, RunRequest):
        from engine.requests import REQUESTS
        from engine.runs import Runs

        ended = REQUESTS[answer.what](Runs(session), answer.run, **answer.options)
        return _ended(session, ended)
    return _shown(session, answer, common.output, file)


def _ended(session: Session, answer: Answer) -> tuple[str, Result]:
    """Return how a run ended; its result is complete if all that was asked for was done."""
    from engine.locked import show_lock
    from engine.row_file import write_rows

    show_lock(session, answer.result)
    answer.result.complete = answer.kind == "done"
    write_rows(session, answer.result)
    return answer.kind, answer.result


def _file(config: PackConfig, path: str | None) -> OutputFile | None:
    if path is None:
        return None
    from engine.output_file import OutputFile

    return OutputFile(path, config.places)


def _shown(
    session: Session, table: Table, form: str, file: OutputFile | None
) -> tuple[str, Result]:
    summary = table.summary or count(len(table), "row")
    if file is not None:
        text, reasons = session.redactor.text, []
        if form in RAW and not table.complete:  # rows only: what is missing is said beside them
            reasons = [text(f"{what}: {why}") for what, why in table.reasons] or [_NOT_WHOLE]
        file.write(text(table.render(form)), reasons)
        summary += f", written to {file}"
    if not table.complete:
        summary += f"; {_NOT_WHOLE}"
        summary += f": {_first(table.reasons)}" if table.reasons else ""
    result = Result(
        summary=summary,
        complete=table.complete,
        left=[{"what": what, "why": why} for what, why in table.reasons],
        rows=table.rows,
        text=table.render(form, session.reporter.columns),
        output_file=None if file is None else str(file),
    )
    return "done" if table.good else "failed", result


def _first(reasons: Sequence[tuple[str, str]]) -> str:
    (what, why), more = reasons[0], len(reasons) - 1
    return f"{what}: {why}" + (f" (and {more} more)" if more else "")


def _outcome(error: RunbookError) -> tuple[str, Result]:
    reasons = getattr(error, "reasons", None) or [str(error)]
    failed = [{"what": "request", "why": reason} for reason in reasons]
    left = [{"what": what, "why": "left as it was"} for what in error.left]
    result = _unanswered(str(error))
    result.failed, result.left = failed, left
    if isinstance(error, CutOff):
        result.run = error.run
    return error.ending, result


def _unanswered(why: str) -> Result:
    """Return the result of a request that got no answer but this sentence."""
    return Result(summary=why, text=f"{why}\n", complete=False)


def _deadline(
    timeout: float | None, config: PackConfig, started: float
) -> tuple[float | None, float]:
    """Return when to stop (time.monotonic()) and the grace that running steps have then."""
    grace = float(config.limits.grace)
    if timeout is None:
        return None, grace
    grace = min(grace, timeout / 4)
    return started + max(0.0, timeout - grace - min(_MARGIN, timeout / 10)), grace


def _requester(requester: Requester, common: Common) -> Requester:
    changes = {
        "user": common.requested_by or requester.user,
        "trigger_id": common.trigger_id or requester.trigger_id,
    }
    return Requester(**{**msgspec.structs.asdict(requester), **changes})


def _prune(session: Session) -> None:
    """Delete old runs and mails; a failure to tidy up must not change what the run answers."""
    try:
        from state.ledger import Campaigns

        session.journal.prune(float(session.config.limits.keep_runs))
        Campaigns(session.journal.store).forget(float(session.config.limits.keep_campaigns))
    except Exception as error:
        if not isinstance(error, RunbookError):  # a store that is full is no bug
            session.bug(error)


def _bare_session(
    redactor: Redactor,
    parameters: Mapping[str, Any],
    requester: Requester,
    reporter: Reporter | None,
) -> Session:
    """Return a session that can report a bug, before anything is known to be right."""
    return Session(
        config=PackConfig(),
        requester=requester,
        reporter=Voice(reporter or LineReporter(), redactor.text),
        redactor=redactor,
        stop=Stop(0),
        parameters=parameters,
    )
