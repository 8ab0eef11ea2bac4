"""Handing in the mails of a campaign: in order, at the account's rate, again what is put off.

Each mail is committed ``sending`` right before its end goes out, and what became of it right after
the server's answer. A stop leaves the rest pending, between two mails.
"""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from email_api.connecting import SmtpError
from state.mail_records import told
from workflow_api import Attempt, RunbookError, StepFailed, UserError, count, humanize

if TYPE_CHECKING:
    from email_api.transport import Mailer, Outcome
    from state.ledger import Ledger, Mail
    from workflows.campaign_mail import Writer

# The first pause before a message is tried again, and the longest, as parts of retry_for: 15 s and
# 5 min of the default half an hour.
_FIRST, _LONGEST = 1 / 120, 1 / 6
# A session is not kept through a longer pause, in seconds, nor is anybody left without a word.
_IDLE, _SILENT = 20.0, 10.0
# So many messages in a row that broke off at their very end: then it is not the messages.
_MOST_IN_DOUBT = 3
_CLOSING = 421


class Sending:
    """One go at what is pending of a campaign, through one mailer."""

    def __init__(self, attempt: Attempt, ledger: Ledger, writer: Writer, mailer: Mailer) -> None:
        self.attempt, self.ledger, self.writer, self.mailer = attempt, ledger, writer, mailer
        settings, entry = writer.smtp.config.email, writer.smtp.entry
        self._retry_for, self._max_tries = float(settings.retry_for), settings.max_tries
        self._space = 60.0 / entry.messages_per_minute if entry.messages_per_minute else 0.0
        self._chance = random.Random()  # noqa: S311 - it spreads load and keeps no secret
        # Moments of time.monotonic(): nothing is handed in before; when things began to go wrong.
        self._not_before, self._trouble_since = 0.0, 0.0
        self._put_off_since: dict[str, float] = {}
        self._trouble, self._in_doubt = 0, 0
        self._last_word = time.monotonic()

    def send(self, mails: Sequence[Mail]) -> None:
        """Hand in mails in their order; those that are put off come again when they are due.

        Raises StepFailed if the account cannot go on, and Interrupted if the run is to stop: what
        is left is pending then.
        """
        waiting = [(0.0, mail.position, mail.tries, mail) for mail in mails]
        while waiting:
            due, position, tries, mail = heapq.heappop(waiting)
            self._wait_until(max(due, self._not_before))
            self._not_before = time.monotonic() + self._space
            again = self._try(mail, tries)
            if again is not None:
                due, tries = again
                heapq.heappush(waiting, (due, position, tries, mail))
            if time.monotonic() - self._last_word > _SILENT:
                self._say(f"{count(len(waiting), 'mail')} to go")

    def _try(self, mail: Mail, tries: int) -> tuple[float, int] | None:
        """Hand in a mail; return when it is due again and after how many tries, or None."""
        message = self.writer.message(mail.recipient, mail.content)
        begun = False

        def begin() -> None:
            nonlocal begun
            self.attempt.sending()
            self.ledger.begin(mail, message.envelope.message_id)
            begun = True
            self.attempt.sending()  # the process may have been suspended within the commit

        try:
            outcome = self.mailer.deliver(message.envelope, begin)
        except SmtpError as error:
            if not error.transient or not self.mailer.connections:
                raise self._left(error) from None
            self._in_trouble(error)
            return self._not_before, tries
        except UserError as error:  # the account is not right
            raise self._left(error) from None
        again = None
        if outcome.kind == "deferred":
            again = self._put_off(mail, tries + 1, outcome, tried=not begun)
        else:
            self.ledger.end(mail, outcome.kind, outcome.code, _said(outcome))
            if outcome.kind != "sent" or outcome.refused:
                self._say(f"{outcome.kind}: {mail.recipient}: {_said(outcome)}")
        self._heed(outcome)
        return again

    def _put_off(
        self, mail: Mail, tries: int, outcome: Outcome, *, tried: bool
    ) -> tuple[float, int] | None:
        """Record that the server has put a mail off; return when it is due again, or None."""
        now, pause = time.monotonic(), self._pause(tries)
        since = self._put_off_since.setdefault(mail.recipient, now)
        said = _said(outcome)
        if tries >= self._max_tries or now + pause - since > self._retry_for:
            said = f"given up after {count(tries, 'try', 'tries')}: {said}"
            self.ledger.end(mail, "failed", outcome.code, said, tried=tried)
            self._say(f"failed: {mail.recipient}: {said}")
            return None
        self.ledger.end(mail, "pending", outcome.code, said, tried=tried)
        self._say(f"put off for {humanize(pause)}: {mail.recipient}: {said}")
        return now + pause, tries

    def _heed(self, outcome: Outcome) -> None:
        """Pause if it is the server that has trouble, and not one message."""
        unknown = outcome.kind == "unknown"
        self._in_doubt = self._in_doubt + 1 if unknown else 0
        if self._in_doubt >= _MOST_IN_DOUBT:
            why = f"{self._in_doubt} mails in a row broke off at their very end: {outcome.text}."
            raise self._left(StepFailed(why, advice="See what is wrong with the server."))
        if unknown or (outcome.kind == "deferred" and outcome.code in (None, _CLOSING)):
            self._in_trouble(StepFailed(f"The server has trouble: {_said(outcome)}."))
        else:
            self._trouble = 0

    def _in_trouble(self, error: RunbookError) -> None:
        """Keep away from the server for longer and longer; raises StepFailed when that is all."""
        now = time.monotonic()
        if not self._trouble:
            self._trouble_since = now
        self._trouble += 1
        pause = self._pause(self._trouble)
        if now + pause - self._trouble_since > self._retry_for:
            raise self._left(error)
        self._not_before = max(self._not_before, now + pause)
        self._say(f"{error.message} Going on in {humanize(pause)}.")

    def _pause(self, number: int) -> float:
        """Return the seconds before the next try, longer with each and never quite the same."""
        pause = min(_FIRST * 2.0 ** min(number - 1, 30), _LONGEST) * self._retry_for
        return pause * self._chance.uniform(0.5, 1.0)

    def _wait_until(self, moment: float) -> None:
        """Wait, if only to see whether the run is to stop; a long pause ends the session."""
        pause = max(0.0, moment - time.monotonic())
        if pause > _IDLE:
            self.mailer.close()
        self.attempt.wait(pause, between=True)

    def _left(self, error: RunbookError) -> StepFailed:
        """Return the error for an account that cannot go on, with what is left."""
        key = self.writer.key
        numbers = self.ledger.known(key).totals()
        advice = f"Go on with email.campaign.resume campaign={key}."
        return StepFailed(
            f"{error.message} {told(numbers)}.", advice=f"{error.advice} {advice}".strip()
        )

    def _say(self, text: str) -> None:
        self._last_word = time.monotonic()
        self.attempt.say(text)


def _said(outcome: Outcome) -> str:
    """Return what the server said of a mail, and of those of its copies that it did not take."""
    text = f"{outcome.code} {outcome.text}" if outcome.code else outcome.text
    others = "; ".join(f"not to {who}: {why}" for who, why in outcome.refused.items())
    return f"{text} ({others})" if others else text
