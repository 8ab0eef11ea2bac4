"""Campaigns that are given up after some of their mails went out tell how many, whoever asks."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from support.mail_victim import MailVictim
from support.sample_mail import MailHouse, mail_house, people
from support.smtp_server import SmtpProcess

MAILS = 12
TO = people(MAILS)


@pytest.fixture(scope="module")
def server() -> Iterator[SmtpProcess]:
    with TemporaryDirectory() as folder, SmtpProcess(Path(folder) / "smtp") as made:
        yield made


@pytest.fixture
def house(server: SmtpProcess) -> Iterator[MailHouse]:
    with mail_house(server) as made:
        made.limits = {"lease": "1s", "grace": "60s"}
        yield made


def last_run(house: MailHouse) -> str:
    with house.journal() as journal:
        return journal.recent(limit=1)[0].id


def parts(house: MailHouse) -> str:
    """Return what has to be said: counted in the ledger, which is what is true."""
    states = house.states()
    said = [f"{states.get('sent', 0)} of {MAILS} mails sent"]
    unknown = states.get("unknown", 0) + states.get("sending", 0)
    said += [f"{unknown} unknown"] if unknown else []
    return ", ".join([*said, f"{states.get('pending', 0)} not sent"])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_killed_and_cancelled_it_tells_its_parts(house: MailHouse, seed: int) -> None:
    choose = random.Random(seed)
    where = choose.choice(["after end", "before begin", "after begin", "before reply ."])
    stop = (where, choose.randint(2, MAILS - 1))
    with MailVictim(house.config, "toy.mail", stop, to=TO, campaign="c-1") as victim:
        assert victim.killed() == (where, None)
    run = last_run(house)
    while house.run(run).alive:
        time.sleep(0.05)
    kind, result = house.ask("run.cancel", run=run)
    said = parts(house)
    assert (kind, house.run(run).state) == ("done", "cancelled")
    assert said in result["summary"]
    assert said in (house.run(run).summary or "")
    assert said in house.ask("run.show", run=run)[1]["text"]
    assert f"it was done in part: {said}" in [entry["why"] for entry in result["left"]]
    assert "it was not started" not in result["text"]


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interrupted_between_mails_it_tells_its_parts_and_goes_on(
    house: MailHouse, server: SmtpProcess, number: signal.Signals
) -> None:
    house.limits["lease"] = "30s"
    before = len(server.accepted)
    stop = ("after end", 3)
    with MailVictim(house.config, "toy.mail", stop, to=TO, campaign="c-1") as victim:
        victim.wait_for("after end")
        victim.signal(number)
        time.sleep(0.3)
        victim.go_on()
        answer = victim.answer()
    assert answer["kind"] == "interrupted"
    assert f"3 of {MAILS} mails sent, {MAILS - 3} not sent" in answer["result"]["summary"]
    assert house.ask("run.resume", run=answer["result"]["run"])[0] == "done"
    assert len(server.accepted) - before == MAILS


@pytest.mark.long
def test_killed_before_the_first_it_was_not_done_in_part(house: MailHouse) -> None:
    stop = ("before begin", 1)
    with MailVictim(house.config, "toy.mail", stop, to=TO, campaign="c-1") as victim:
        assert victim.killed() == ("before begin", None)
    run = last_run(house)
    while house.run(run).alive:
        time.sleep(0.05)
    _, result = house.ask("run.cancel", run=run)
    assert "in part" not in result["text"]
    assert "it was looked up and has not happened" in result["text"]
