"""Everything that is created, on a real cloud: with a lost answer, refused, killed and resumed."""

from __future__ import annotations

from typing import Any

import pytest

from examples import example
from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site, until
from support.cloud_stands import CloudBirth, birth_for
from support.proxy import Cut, Hold, Status
from support.sampling import dealt
from support.verb_stands import CREATIONS
from verbs.creation import Creation

LOST, REFUSED, KILLED = dealt(CREATIONS, 3)


def each(cases: list[Any]) -> pytest.MarkDecorator:
    """Try each case in one of the tests, and in all of them with ``make test-cloud-long``."""
    return pytest.mark.parametrize("row", cases, ids=lambda row: row.name)


def sent(proxied: Proxied, birth: CloudBirth) -> int:
    return len([change for change in proxied.proxy.changes() if birth.change.fits(change)])


@each(LOST)
def test_a_lost_answer_is_looked_up(row: Creation, site: Site, proxied: Proxied) -> None:
    birth = birth_for(site, row)
    proxied.proxy.fault(birth.change, Cut(after=True))
    proxied.operator.done(row.name, **{**example(row.name), **birth.parameters()})
    assert (birth.there(), sent(proxied, birth)) == (1, 1)


@each(REFUSED)
def test_what_the_cloud_refuses_is_a_failure_that_says_so(
    row: Creation, site: Site, proxied: Proxied
) -> None:
    birth = birth_for(site, row)
    proxied.proxy.fault(birth.change, Status(403))
    ended = proxied.operator.run(row.name, **{**example(row.name), **birth.parameters()})
    assert ended.kind == "failed", ended
    assert "403" in ended.text
    assert birth.there() == 0


@each(KILLED)
@pytest.mark.usefixtures("hasty")
def test_killed_after_the_request_and_resumed_there_is_one(
    row: Creation, site: Site, operator: Operator, proxied: Proxied
) -> None:
    birth = birth_for(site, row)
    held = proxied.proxy.fault(birth.change, Hold("answer"))
    victim = proxied.operator.start(row.name, **{**example(row.name), **birth.parameters()})
    held.wait_reached(60)
    run = victim.run
    assert victim.kill()
    held.remove()
    held.release()

    proxied.operator.done("run.resume", run=run)

    until(lambda: birth.there() == 1, row.name, 30)
    assert sent(proxied, birth) == 1
