"""The steps behind verbs: the request, the wait, the look-up after a lost answer, the undo."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from accounts.cloud import Cloud, not_there
from common.duration import decoded
from verbs.verb import Options, Subject, Verb, not_settled
from waiting.watching import watch
from workflow_api import Attempt, Begun, CloudError, StepFailed, clean, step

# A thing must have been idle so often in a row, and not come to its end, to be called left.
_IDLE_LOOKS = 2
_REPORTED_EVERY = 10.0
_LONGEST_PAUSE = 15.0
Data = dict[str, Any]


def step_of(subject: Subject, verb: Verb, known: Mapping[str, Verb]) -> Any:
    """Return the registered step that carries a verb out on one thing."""

    def find(
        attempt: Attempt, cloud: Cloud, id: str, name: str, options: Data
    ) -> Data | Begun | None:
        return VerbRun(subject, verb, attempt, cloud, id, name, options).find_earlier()

    def finish(attempt: Attempt, cloud: Cloud, id: str, name: str, options: Data) -> Data:
        return VerbRun(subject, verb, attempt, cloud, id, name, options).wait_for_end()

    def take_back(attempt: Attempt, cloud: Cloud, id: str, name: str, options: Data) -> None:
        back = known[verb.undo or ""]
        alike = {word: options[word] for word in back.options.__struct_fields__ if word in options}
        # It may have been taken back before, and is not asked for again then.
        VerbRun(subject, back, attempt, cloud, id, name, alike).request_unless_done()

    def perform(
        attempt: Attempt,
        cloud: Cloud,
        id: str,
        name: str,
        options: Data,
        names: Data = {},  # noqa: B006 - only for the sentence, and never changed
    ) -> Data:
        return VerbRun(subject, verb, attempt, cloud, id, name, options).request_and_wait()

    return step(
        verb.name,
        verb.sentence,
        key="{id}",
        find=find,
        finish=finish,
        undo=take_back if verb.undo else None,
    )(perform)


def settled(
    subject: Subject, verb: Verb, attempt: Attempt, cloud: Cloud, id: str, name: str, options: Data
) -> Data:
    """Wait until a thing is where the verb leads, whoever asked for it; return its outcome.

    Raises StepFailed if the cloud gave up, UnknownOutcome if it takes longer than it may.
    """
    return VerbRun(subject, verb, attempt, cloud, id, name, options).wait_for_end()


class VerbRun:
    """One verb on one thing, from the request to its end."""

    def __init__(
        self,
        subject: Subject,
        verb: Verb,
        attempt: Attempt,
        cloud: Cloud,
        id: str,
        name: str,
        options: Data,
    ) -> None:
        self.subject, self.verb, self.attempt = subject, verb, attempt
        self.cloud, self.id, self.name = cloud, id, name
        self.options: Options = msgspec.convert(options, verb.options, dec_hook=decoded)
        # Not in a look-up, which may change nothing.
        self._patience: float | None = None
        self._since = time.time()

    def request_and_wait(self) -> Data:
        """Send the request, unless it is done or under way, and return how it ended.

        Where the cloud itself refuses what does not fit, the first attempt sends it at once, and
        looks only if it was refused.
        """
        if self.attempt.again or not self.subject.judges or self.verb.look:
            return self.request_unless_done()
        try:
            self._send()
        except CloudError as error:
            if not (not_there(error) or error.status in self.subject.judges):
                raise
            now = self._look()
            if self.verb.is_done(self.subject, now, self.options):
                return self._ended(now)
            if not self._is_under_way(now):
                raise
        self._patience = self.verb.patience(self.options)
        return self.wait_for_end()

    def request_unless_done(self) -> Data:
        """Look, send the request unless it is done or under way, and return how it ended."""
        now = self._look()
        if self.verb.is_done(self.subject, now, self.options):
            return self._ended(now)
        if not self._is_under_way(now):
            self._send()
        self._patience = self.verb.patience(self.options)
        return self.wait_for_end()

    def _send(self) -> None:
        self._refuse_what_is_used()
        if self.verb.record:
            self.attempt.note(recorded=self._recorded())
        self._since = time.time()
        self.verb.request(self.cloud, self.id, self.options)

    def _refuse_what_is_used(self) -> None:
        """Raise StepFailed for what has come to be protected, or used, since it was planned."""
        if self.verb.unless is None or (now := self._look()) is None:
            return
        kept = self.subject.kept(now, self.cloud.config, self.verb)
        reasons = [*filter(None, [kept]), *self.verb.unless(self.cloud, now, self.options)]
        if reasons:
            raise StepFailed(f"{self.name} {self.verb.refused}: {'; '.join(reasons)}.")

    def find_earlier(self) -> Data | Begun | None:
        """Return what became of an earlier request: how it ended, Begun, or None if none was."""
        if self.verb.record:
            before = self.attempt.notes.get("recorded")
            # It is noted before the request is sent: without a note, nothing was sent.
            was_sent = before is not None and before != self._recorded()
            return self.wait_for_end() if was_sent else None
        now = self._look()
        if self._is_under_way(now):
            return Begun(f"{self.name} is {self._state_in_words(now)}", id=self.id)
        return self._ended(now) if self.verb.is_over(self.subject, now, self.options) else None

    def wait_for_end(self) -> Data:
        """Wait until the thing is where the verb leads.

        Raises StepFailed if the cloud gave up, UnknownOutcome if it takes longer than it may.
        """
        waited, pause, idle, reported_at = 0.0, 0.0, 0, _REPORTED_EVERY
        while True:
            now, took = self._after(pause)
            waited += took
            if self.verb.is_over(self.subject, now, self.options):
                return self._ended(now)
            idle = 0 if self.subject.busy(now) else idle + 1
            if idle == _IDLE_LOOKS:
                raise StepFailed(self._left_at(now))
            if waited >= self.verb.within:
                raise not_settled(self.name, self._state_in_words(now), waited)
            if waited >= reported_at:
                self.attempt.say(f"{self.name} is {self._state_in_words(now)}")
                reported_at += _REPORTED_EVERY
            self._escalate_if_due(waited)
            pause = min(_LONGEST_PAUSE, 0.5 + waited / 20)

    def _escalate_if_due(self, waited: float) -> None:
        if self._patience is None or waited < self._patience:
            return
        assert self.verb.escalate is not None
        self._patience = None
        self.attempt.say(f"{self.name} takes long: it is {self.verb.participle} the hard way")
        self.verb.escalate(self.cloud, self.id, self.options)

    def _after(self, pause: float) -> tuple[Any, float]:
        """Return how the thing is after a pause, seen with all others that are waited for."""
        if self.verb.look:
            self.attempt.wait(pause)
            return self._look(), pause
        together = watch(self.cloud, self.subject)
        now, took = together.after(self.attempt, self.id, pause, self._since, self.verb.tasks)
        return self._there(now), took

    def _look(self) -> Any:
        return self._there((self.verb.look or self.subject.look)(self.cloud, self.id))

    def _there(self, now: Any) -> Any:
        if now is None and not self.verb.gone:
            raise StepFailed(f"{self.subject.name} {self.name} is gone.")
        return now

    def _recorded(self) -> str:
        return self.subject.recorded(self.cloud, self.id, self.verb.record or "")

    def _is_under_way(self, now: Any) -> bool:
        return now is not None and self.subject.busy(now) in self.verb.tasks

    def _state_in_words(self, now: Any) -> str:
        task = self.subject.busy(now)
        state = self.subject.state(now)
        return f"{state} ({task})" if task and task != state else state

    def _left_at(self, now: Any) -> str:
        why = clean(self.subject.fault(now)) or self.subject.last_fault(self.cloud, self.id)
        left = (
            f"{self.name} is left {self.subject.state(now)}: the cloud is no longer working on it"
        )
        return f"{left} ({why})." if why else f"{left}."

    def _ended(self, now: Any) -> Data:
        return {"said": f"{self.name} is {self.verb.outcome_of(self.subject, now, self.options)}"}
