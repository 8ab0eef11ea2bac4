"""Mails that are sent once more on request, by processes that are killed before or while they are.

As in test_mail_kill: what arrived is counted at the mail server, and never in our ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from support.mail_victim import IN_DOUBT, MailVictim
from support.sample_mail import MailHouse, mail_house
from support.smtp_server import Fault, Options, SmtpProcess

# Each is refused the first time that the server hears of it, and no other time.
REFUSED_ONCE = Fault("rcpt", reply="550 5.1.1 no such user", matching="no-", times=1, each=True)


class Again(NamedTuple):
    """A request to send once more what had come to another end than ``sent``."""

    workflow: str
    more: dict[str, Any]
    # What it is about is in this state before.
    state: str


RETRY = Again("email.campaign.retry_failed", {}, "refused")
RESEND = Again("email.campaign.resume", {"resend_unknown": True}, "unknown")
# From before the mails are made pending until one of them may have been accepted.
MOMENTS = (
    "after store_plan",
    "before again",
    "after again",
    *("before end_attempt", "after end_attempt"),
    *("before wake", "after wake"),
    *("before put rcpt", "before begin", "after begin", "before reply .", "after reply ."),
    *("before end", "after end"),
)
# Where what is pending by then is only in the ledger; the long form (-m crash) has all.
SHORT = ("after again", "after end_attempt", "after begin")


@pytest.fixture(scope="module")
def server() -> Iterator[SmtpProcess]:
    options = Options(faults=[REFUSED_ONCE])
    with TemporaryDirectory() as folder, SmtpProcess(Path(folder) / "smtp", options) as made:
        yield made


def begun(server: SmtpProcess, house: MailHouse, state: str, to: list[str]) -> None:
    """Have a campaign of which the middle one is not sent: refused, or nobody knows."""
    stop = ("after begin", 2) if state == "unknown" else ("", 0)
    with MailVictim(house.config, "toy.mail", stop, to=to, campaign="c-1") as victim:
        victim.killed()
    if state == "unknown":
        while gone_on_with(house) == "refused":
            pass
    assert [mail.state for mail in house.mails()] == ["sent", state, "sent"]


def gone_on_with(house: MailHouse) -> str:
    """Resume the newest run, and return how that ended."""
    with house.journal() as journal:
        newest = next(run for run in journal.recent(limit=9) if run.plan is not None)
    return house.ask("run.resume", run=newest.id)[0]


def killed_at(server: SmtpProcess, again: Again, moment: str) -> str:
    """Kill the request at this moment, go on as an operator would; return what is wrong then."""
    name = f"{again.state}-{moment.replace(' ', '-').replace('.', 'dot')}@example.org"
    kind = "no" if again.state == "refused" else "ok"
    to = [f"a-{name}", f"{kind}-{name}", f"z-{name}"]
    with mail_house(server) as house:
        house.limits = {"lease": "1s"}
        begun(server, house, again.state, to)
        asked = {"campaign": "c-1", **again.more}
        with MailVictim(house.config, again.workflow, (moment, 1), **asked) as victim:
            where, answer = victim.killed()
        if where != moment:
            return f"{again.workflow} was not killed {moment}: {answer}"
        while gone_on_with(house) not in ("done", "failed"):
            pass
        got = Counter(mail.recipient for mail in server.accepted if name in mail.recipient)
        states = [mail.state for mail in house.mails()]
    # Where nobody can know whether it was accepted, that is said, and it is not sent once more.
    expected = ["sent", "unknown" if moment in IN_DOUBT else "sent", "sent"]
    arrived = 0 if moment == "after begin" else 1
    if states == expected and [got[one] for one in to] == [1, arrived, 1]:
        return ""
    return f"{again.workflow}, killed {moment}: {states}, accepted {dict(got)}"


@pytest.mark.long
@pytest.mark.parametrize(
    "moments", [SHORT, pytest.param(MOMENTS, marks=pytest.mark.crash)], ids=["short", "long"]
)
@pytest.mark.parametrize("again", [RETRY, RESEND], ids=["retry_failed", "resend_unknown"])
def test_sent_again_on_request_it_arrives_once(
    server: SmtpProcess, again: Again, moments: tuple[str, ...]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        wrong = pool.map(lambda moment: killed_at(server, again, moment), moments)
    assert [one for one in wrong if one] == []
