"""Mail campaigns that are killed, suspended and told to stop: real processes, real signals.

What happened is counted at the mail server, by Message-ID and recipient, never in our ledger.
``MAIL_KILLS`` says how many kills the long form does (200 by default, with ``-m crash``).
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from state.ledger import Campaigns
from support.mail_victim import EACH, IN_DOUBT, MOMENTS, MailVictim
from support.sample_mail import MailHouse, mail_house, people
from support.smtp_server import Fault, Options, SmtpProcess

LEASE = "1s"
# One of each kind that matters most; the long form stops at every moment there is.
SHORT = (
    *IN_DOUBT,
    "after record",
    "before begin",
    "after end",
    "after reply data",
    "before put rcpt",
    "before finish",
)
Sent = Counter[tuple[str, str]]


@pytest.fixture(scope="module")
def server() -> Iterator[SmtpProcess]:
    with TemporaryDirectory() as folder, SmtpProcess(Path(folder) / "smtp") as made:
        yield made


@pytest.fixture
def house(server: SmtpProcess) -> Iterator[MailHouse]:
    with mail_house(server) as made:
        made.limits = {"lease": LEASE, "grace": "60s"}
        yield made


def key_of(house: MailHouse) -> str:
    """Return the campaign of a house: the server is the same for all, the Message-IDs are not."""
    return Path(house.state_url).parent.name


def accepted(server: SmtpProcess, house: MailHouse) -> Sent:
    """Return how often each mail of the house's campaign was accepted for each recipient."""
    ours = {mail.message_id for mail in house.mails(key_of(house))}
    found = ((mail.message_id, mail.recipient) for mail in server.accepted)
    return Counter(pair for pair in found if pair[0] in ours)


@dataclass
class Story:
    """One campaign that is killed again and again, and resumed until it ends."""

    server: SmtpProcess
    house: MailHouse
    to: list[str]
    kills: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    # Times that a life lost its lease by itself, as on a busy machine: as good as a kill.
    lost: int = 0

    def live(self, stop: tuple[str, int], after: float | None = None) -> dict[str, Any] | None:
        """Have one process work on it; return its answer, or None if it was killed."""
        workflow, parameters = self.next_request()
        with MailVictim(self.house.config, workflow, stop, **parameters) as victim:
            where, answer = victim.killed(after)
        self.kills += [where] if where else []
        self.lost += answer is not None and "lease" in answer["result"]["summary"]
        return self.check(answer)

    def check(self, answer: dict[str, Any] | None) -> dict[str, Any] | None:
        """Compare the ledger with what is expected of it at every instant."""
        numbers = self.totals()
        if numbers:
            sure = sum(where in IN_DOUBT for where in self.kills)
            most = sure + self.kills.count("some time") + self.lost
            if numbers["recipients"] != len(self.to) or numbers["failed"] or numbers["refused"]:
                self.wrong.append(f"{self.kills}: {numbers}")
            if not sure <= numbers["unknown"] <= most:
                self.wrong.append(f"{self.kills}: {numbers['unknown']} unknown")
        return answer

    def totals(self) -> dict[str, int]:
        with self.house.journal() as journal:
            found = Campaigns(journal.store).campaign(key_of(self.house))
        return found.totals() if found else {}

    def next_request(self) -> tuple[str, dict[str, Any]]:
        """Return what an operator asks for after a kill: to go on, or the same again."""
        with self.house.journal() as journal:
            for run in journal.recent(limit=20):
                if run.plan is not None and run.state in ("running", "interrupted"):
                    return "run.resume", {"run": run.id}
        return "toy.mail", {"to": self.to, "campaign": key_of(self.house)}

    def end(self) -> None:
        """Go on until it ends, and count at the server."""
        answer = self.live(("", 0))
        # Refused: what was killed while it planned holds its claim until its lease has ended.
        while answer is None or answer["kind"] in ("refused", "interrupted"):
            answer = self.live(("", 0))
        numbers, at_server = self.totals(), accepted(self.server, self.house)
        states = {mail.recipient: mail.state for mail in self.house.mails(key_of(self.house))}
        twice = [pair for pair, times in at_server.items() if times > 1]
        got = {recipient for _, recipient in at_server}
        lost = [who for who, state in states.items() if state == "sent" and who not in got]
        for what, found in (
            ("twice", twice),
            ("lost", lost),
            ("pending", numbers["pending"]),
            ("a stranger", got - set(self.to)),
            ("sent and not known", [w for w in got if states[w] not in ("sent", "unknown")]),
        ):
            if found:
                self.wrong.append(f"{self.kills}: {what}: {found}")
        ended_here = bool(answer["result"]["rows"])
        if ended_here and (answer["kind"] == "done") != (numbers["sent"] == len(self.to)):
            self.wrong.append(f"{self.kills}: {answer['kind']}: {answer['result']['summary']}")


def killed_at(server: SmtpProcess, moment: str, chance: random.Random) -> Story:
    """Kill a campaign of 8 once at this moment, and go on with it to its end."""
    with mail_house(server) as house:
        house.limits = {"lease": LEASE}
        story = Story(server, house, people(8))
        story.live((moment, chance.randint(1, 6) if moment in EACH else 1))
        story.end()
    return story


def killed_often(server: SmtpProcess, seed: int, kills: int) -> Story:
    """Kill a campaign of 50 at so many moments, each time it is resumed, then let it end."""
    chance = random.Random(seed)
    with mail_house(server) as house:
        house.limits = {"lease": LEASE}
        story = Story(server, house, people(50))
        for _ in range(kills):
            moment = chance.choice(MOMENTS)
            stop = moment, chance.randint(1, 8) if moment in EACH else 1
            after = chance.uniform(0.05, 0.6) if chance.random() < 0.2 else None
            answer = story.live(stop if after is None else ("", 0), after)
            if answer is not None and answer["kind"] in ("done", "failed"):
                break
        story.end()
    return story


@pytest.mark.long
def test_killed_at_each_boundary_nobody_gets_it_twice(server: SmtpProcess) -> None:
    with ThreadPoolExecutor(5) as pool:
        chance = [random.Random(number) for number in range(len(SHORT))]
        stories = list(pool.map(killed_at, [server] * len(SHORT), SHORT, chance))
    assert [story.wrong for story in stories if story.wrong] == []
    # On a busy machine a life may lose its lease before it comes to its moment.
    missed = [story for story, at in zip(stories, SHORT, strict=True) if story.kills != [at]]
    assert [story.kills for story in missed if not story.lost] == []
    assert len(missed) <= len(SHORT) // 4


@pytest.mark.crash
def test_killed_anywhere_many_times(server: SmtpProcess) -> None:
    wanted, stories = int(os.environ.get("MAIL_KILLS", "200")), list[Story]()
    with ThreadPoolExecutor(4) as pool:
        each = [random.Random(number) for number in range(len(MOMENTS))]
        stories += pool.map(killed_at, [server] * len(MOMENTS), MOMENTS, each)
        seed = 0
        while sum(len(story.kills) for story in stories) < wanted + len(MOMENTS):
            seeds = range(seed, seed + 4)
            stories += pool.map(killed_often, [server] * 4, seeds, [10] * 4)
            seed += 4
    kills = [where for story in stories for where in story.kills]
    print(f"\n{len(kills)} kills in {len(stories)} campaigns: {dict(Counter(kills))}")
    assert [story.wrong for story in stories if story.wrong] == []
    assert set(MOMENTS) <= set(kills)
    assert len(kills) >= wanted


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before put mail", "before begin", "after begin"])
def test_a_suspended_process_sends_nothing_more(
    house: MailHouse, server: SmtpProcess, moment: str
) -> None:
    to = people(6)
    stop = moment, 3
    with MailVictim(house.config, "toy.mail", stop, to=to, campaign=key_of(house)) as victim:
        victim.wait_for(moment)
        victim.signal(signal.SIGSTOP)
        with house.journal() as journal:
            (run,) = journal.recent(limit=5)
        kind, _ = house.ask("run.resume", run=run.id)  # waits until the lease has ended
        doubt = moment in IN_DOUBT
        assert kind == ("failed" if doubt else "done")
        victim.signal(signal.SIGCONT)
        victim.go_on()
        answer = victim.answer()
    assert answer["kind"] == "interrupted"
    assert "lease" in answer["result"]["summary"]
    sent = accepted(server, house)
    assert set(sent.values()) == {1}
    assert len(sent) == 6 - doubt, "what was about to end when it was suspended was not ended"
    assert house.states(key_of(house)) == {"sent": 6 - doubt, **({"unknown": 1} if doubt else {})}


@pytest.mark.long
def test_one_that_is_suspended_after_the_end_went_out(
    house: MailHouse, server: SmtpProcess
) -> None:
    moment, to = "before reply .", people(6)
    with MailVictim(house.config, "toy.mail", (moment, 3), to=to, campaign=key_of(house)) as victim:
        victim.wait_for(moment)
        victim.signal(signal.SIGSTOP)
        with house.journal() as journal:
            (run,) = journal.recent(limit=5)
        assert house.ask("run.resume", run=run.id)[0] == "failed"
        victim.signal(signal.SIGCONT)
        victim.go_on()
        assert victim.answer()["kind"] == "interrupted"
    sent = accepted(server, house)
    assert (len(sent), set(sent.values())) == (6, {1})
    assert house.states(key_of(house)) == {"sent": 5, "unknown": 1}


@pytest.mark.long
def test_killed_between_the_servers_accept_and_its_answer(tmp_path: Path) -> None:
    fault = Fault("accepted", wait=5, after=2, times=1)
    with SmtpProcess(tmp_path, Options(faults=[fault])) as server, mail_house(server) as house:
        house.limits = {"lease": LEASE}
        story = Story(server, house, people(6))
        with MailVictim(house.config, "toy.mail", to=story.to, campaign=key_of(house)) as victim:
            until = time.monotonic() + 20
            while len(server.accepted) < 3:
                assert time.monotonic() < until
                time.sleep(0.02)
            victim.signal(signal.SIGKILL)
        story.kills.append("before reply .")
        story.end()
        assert story.wrong == []
        assert house.states(key_of(house)) == {"sent": 5, "unknown": 1}
        assert len(accepted(server, house)) == 6


@pytest.mark.long
def test_of_two_runs_of_one_campaign_one_works(house: MailHouse, server: SmtpProcess) -> None:
    house.account["messages_per_minute"] = 240
    first, second = people(6), people(7)  # another request, for the same campaign
    with MailVictim(house.config, "toy.mail", to=first, campaign=key_of(house)) as one:
        until = time.monotonic() + 20
        while not server_has_begun(house):
            assert time.monotonic() < until
            time.sleep(0.02)
        with MailVictim(house.config, "toy.mail", to=second, campaign=key_of(house)) as other:
            said = other.answer()
        assert said["kind"] == "refused"
        assert f"Campaign {key_of(house)} is held by run" in said["result"]["summary"]
        assert one.answer()["kind"] == "done"
    assert len(accepted(server, house)) == 6


def server_has_begun(house: MailHouse) -> bool:
    """Return whether the first mail of the campaign is sent."""
    with house.journal() as journal:
        found = Campaigns(journal.store).campaign(key_of(house))
    return bool(found and found.counts.get("sent"))


@pytest.mark.long
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "deadline"])
def test_a_stop_comes_between_two_mails(house: MailHouse, server: SmtpProcess, how: str) -> None:
    house.account["messages_per_minute"] = 120
    to, began = people(60), time.monotonic()
    more = {"deadline": "2"} if how == "deadline" else {}
    with MailVictim(house.config, "toy.mail", to=to, campaign=key_of(house), **more) as victim:
        while not server_has_begun(house):
            assert time.monotonic() - began < 20
            time.sleep(0.02)
        if how != "deadline":
            victim.signal(signal.Signals[how])
        answer = victim.answer()
    assert answer["kind"] == "interrupted"
    assert time.monotonic() - began < 25, "neither the whole campaign nor the grace"
    states = house.states(key_of(house))
    assert set(states) == {"sent", "pending"}
    assert sum(states.values()) == 60
    house.account["messages_per_minute"] = None
    assert house.ask("run.resume", run=answer["result"]["run"])[0] == "done"
    assert (len(accepted(server, house)), house.states(key_of(house))) == (60, {"sent": 60})
