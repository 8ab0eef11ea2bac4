"""Handing in the mails of a campaign: in order, at the account's rate, again what is put off.

Each mail is committed ``sending`` right before its end goes out, and what became of it right after
the server's answer. A stop leaves the rest pending, between two mails.
"""

from __future__ import annotations

import heapq
import random
import re
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from email_api.connecting import SmtpError
from state.mail_records import told
from workflow_api import Attempt, RunbookError, StepFailed, UserError, count, humanize

if TYPE_CHECKING:
    from accounts.smtp import SmtpAccount
    from campaigns.composition import Writer
    from email_api.transport import Mailer, Outcome
    from state.ledger import Ledger, Mail

# The first pause before a message is tried again, and the longest, as parts of retry_for: 15 s and
# 5 min of the default half an hour.
_FIRST, _LONGEST = 1 / 120, 1 / 6
# A session is not kept through a longer pause, in seconds, nor is anybody left without a word.
_IDLE, _SILENT = 20.0, 10.0
# So many messages in a row that broke off at their very end, or were put off before the server had
# heard whom they are for: then it is not the messages.
_MOST_IN_DOUBT = _MOST_UNHEARD = 3
_CLOSING = 421
_LACKING = re.compile(r".* \((not to .+)\)", re.DOTALL)


class Pace:
    """When an account hands in its next message: one pace for all that this process sends by it."""

    _free: dict[tuple[str, int, str | None], float] = {}  # noqa: RUF012 - shared, that is the point
    _lock = threading.Lock()

    def __init__(self, account: SmtpAccount) -> None:
        entry = account.entry
        self._account = entry.host, account.port, entry.user
        self._space = 60.0 / entry.messages_per_minute if entry.messages_per_minute else 0.0

    def free(self) -> float:
        """Return from when a message can be handed in, as time.monotonic() has it."""
        return self._free.get(self._account, 0.0) if self._space else 0.0

    def take(self, moment: float) -> float:
        """Return when the next message is handed in: not before ``moment``, and nobody else's."""
        if not self._space:
            return moment
        with self._lock:
            taken = max(moment, self.free())
            self._free[self._account] = taken + self._space
        return taken


class Sending:
    """One go at what is pending of a campaign, through one mailer."""

    def __init__(self, attempt: Attempt, ledger: Ledger, writer: Writer, mailer: Mailer) -> None:
        self.attempt, self.ledger, self.writer, self.mailer = attempt, ledger, writer, mailer
        settings = writer.smtp.config.email
        self._retry_for, self._max_tries = float(settings.retry_for), settings.max_tries
        self._pace = Pace(writer.smtp)
        self._chance = random.Random()  # noqa: S311 - it spreads load and keeps no secret
        # Moments of time.monotonic(): nothing is handed in before; when things began to go wrong.
        self._not_before, self._trouble_since = 0.0, 0.0
        self._put_off_since: dict[str, float] = {}
        self._trouble, self._in_doubt, self._unheard = 0, 0, 0
        self._last_word = time.monotonic()

    def send(self, mails: Sequence[Mail]) -> None:
        """Hand in mails in their order; those that are put off come again as soon as they are due.

        Raises StepFailed if the account cannot go on, and Interrupted if the run is to stop: what
        is left is pending then.
        """
        fresh, put_off = deque(mails), list[tuple[float, int, int, "Mail"]]()
        while fresh or put_off:
            soonest = max(time.monotonic(), self._not_before, self._pace.free())
            # Whose time has come goes first: behind a long list it would never be in time.
            if put_off and (not fresh or put_off[0][0] <= soonest):
                due, _, tries, mail = heapq.heappop(put_off)
            else:
                mail = fresh.popleft()
                due, tries = 0.0, mail.tries
            self._wait_until(self._pace.take(max(due, soonest)))
            again = self._try(mail, tries)
            if again is not None:
                due, tries = again
                heapq.heappush(put_off, (due, mail.position, tries, mail))
            if time.monotonic() - self._last_word > _SILENT:
                self._say(f"{count(len(fresh) + len(put_off), 'mail')} to go")

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
            # A server that was never there and says nothing is more likely not the right one.
            wrong = error.code is None and not self.mailer.connections
            if wrong or not error.transient:
                raise self._left(error) from None
            self._in_trouble(error)
            return self._not_before, tries
        except UserError as error:  # the account is not right
            raise self._left(error) from None
        again = None
        if outcome.kind == "deferred":
            again = self._put_off(mail, tries + 1, outcome, tried=not begun)
        else:
            self.ledger.end(mail, outcome.kind, outcome.code, _response(outcome))
            if outcome.kind != "sent" or outcome.refused:
                self._say(f"{outcome.kind}: {mail.recipient}: {_response(outcome)}")
        self._heed(outcome)
        return again

    def _put_off(
        self, mail: Mail, tries: int, outcome: Outcome, *, tried: bool
    ) -> tuple[float, int] | None:
        """Record that the server has put a mail off; return when it is due again, or None."""
        now, pause = time.monotonic(), self._pause(tries)
        since = self._put_off_since.setdefault(mail.recipient, now)
        said = _response(outcome)
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
        unheard = outcome.kind == "deferred" and outcome.unheard
        self._unheard = self._unheard + 1 if unheard else 0
        broken = outcome.kind == "deferred" and outcome.code in (None, _CLOSING)
        if unknown or broken or self._unheard >= _MOST_UNHEARD:
            self._in_trouble(
                StepFailed(f"The server has trouble: {_response(outcome).rstrip('. ')}.")
            )
        elif not unheard:
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


def lacking(said: str | None) -> str:
    """Return who got no copy of a mail that was sent, and why, as :func:`_response` has it."""
    found = _LACKING.fullmatch(said or "")
    return found[1] if found else ""


def _response(outcome: Outcome) -> str:
    """Return what the server said of a mail, and of those of its copies that it did not take."""
    text = f"{outcome.code} {outcome.text}" if outcome.code else outcome.text
    others = "; ".join(f"not to {who}: {why}" for who, why in outcome.refused.items())
    return f"{text} ({others})" if others else text
