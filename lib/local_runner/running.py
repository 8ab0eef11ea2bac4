"""``./runbook run``: from the words of the command line to an answer and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from common.text import clean
from local_runner.actions import Action, Catalogue
from local_runner.arguments import parameters_for
from local_runner.configuration import find, read
from local_runner.interrupts import announced
from local_runner.screen import AnswerLost, console, forget, is_terminal, tell_lost

if TYPE_CHECKING:
    from local_runner.progress import Steady

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 3
_CODES = {"done": DONE, "failed": FAILED, "refused": REFUSED, "interrupted": INTERRUPTED}


@dataclass
class Command:
    """One ``./runbook run``."""

    catalogue: Catalogue
    name: str
    words: Sequence[str]
    config: Path | None = None
    as_json: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    reporter: Steady | None = None

    def run(self) -> int:
        """Run the action, show its answer and return the exit code."""
        from local_runner.logs import log_to_file

        log = log_to_file()
        try:
            kind, result = self._answer()
        except UserError as error:
            kind, result = "refused", _refusal(error)
        except KeyboardInterrupt:  # the engine was not, or no longer, at work
            kind, result = "interrupted", _interruption(self.reporter)
        try:
            self._show(kind, result, log.note)
        except AnswerLost as error:  # what was done is done, but nobody was told
            tell_lost(error, f"The action itself ended with: {result['summary']}")
            return _CODES[kind] or FAILED
        except OSError:  # only a remark beside the answer is lost
            forget(sys.stderr)
        return _CODES[kind]

    def _answer(self) -> tuple[str, dict[str, Any]]:
        from workflow_api.context import Requester

        requester = Requester()
        action = self.catalogue.action(self.name)
        workflow = action.workflow
        self.parameters = parameters_for(action, self.words, requester.user)
        settings = read(find(self.config))
        for warning in settings.warnings:
            sys.stderr.write(f"Warning: {clean(warning)}\n")

        from engine.dispatch import dispatch

        with self._reporting(action) as reporter:
            return dispatch(
                workflow,
                self.parameters,
                settings.values,
                requester=requester,
                reporter=reporter,
            )

    @contextmanager
    def _reporting(self, action: Action) -> Iterator[Steady]:
        """Show progress on the terminal if there is one; stdout is kept for JSON if asked."""
        from engine.reporter import LineReporter
        from local_runner.progress import Steady, TerminalReporter

        stream = sys.stderr if self.as_json else sys.stdout
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(stream))
            if is_terminal(stream):
                drawing = TerminalReporter(console(stream), action.name)
                drawing = stack.enter_context(drawing)
                self.reporter = Steady(drawing, for_data=self.as_json)
            else:
                self.reporter = Steady(LineReporter())
            stack.enter_context(announced(self.reporter.say))
            yield self.reporter

    def _show(self, kind: str, result: dict[str, Any], note: str) -> None:
        if self.as_json:
            if note:
                sys.stderr.write(f"{note}\n")
            sys.stdout.write(json.dumps(result, indent=2) + "\n")
            sys.stdout.flush()
            return
        from local_runner.output import show_result

        exact = self.parameters.get("output") not in (None, "", "text")
        show_result(kind, result, exact=exact, note=note)
        sys.stdout.flush()


def _refusal(error: UserError) -> dict[str, Any]:
    """Return a refusal in the shape in which the dispatcher tells one."""
    from common.result import Result

    reasons = getattr(error, "reasons", None) or [str(error)]
    failed = [{"what": "request", "why": reason} for reason in reasons]
    return Result(summary=str(error), failed=failed, text=f"{error}\n", complete=False).as_dict()


def _interruption(reporter: Steady | None) -> dict[str, Any]:
    """Return the answer of a command that Ctrl-C ended where the engine had no part in it."""
    from common.result import Result

    run = reporter.run if reporter else None
    if run is not None:
        summary = f"Interrupted while run {run} was being closed. Look at it: run.show run={run}"
    elif reporter is not None and reporter.acted:
        summary = "Interrupted. run.list shows what was going on."
    else:
        summary = "Interrupted before anything was changed."
    return Result(run=run, summary=summary, text=f"{summary}\n", complete=False).as_dict()
