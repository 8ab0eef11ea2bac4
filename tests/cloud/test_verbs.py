"""Every verb of the tables on a real cloud: with a lost answer, refused, killed and resumed.

Half of the verbs are tried in one of these ways every day, and all in each with
``make test-cloud-long``.
"""

from __future__ import annotations

from typing import Any

import pytest

from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Site, until
from support.cloud_stands import CloudStand, parameters_for, stand_for
from support.proxy import Cut, Hold, Status
from support.sampling import dealt
from support.verb_stands import VERBS
from verbs.verb import Verb

LOST, REFUSED, KILLED, *_ = dealt(VERBS, 6)


def each(cases: list[Any]) -> pytest.MarkDecorator:
    """Try a hand of the cases in a test, and all of them with ``make test-cloud-long``."""
    return pytest.mark.parametrize("verb", cases, ids=lambda verb: verb.name)


def sent(proxied: Proxied, stand: CloudStand) -> int:
    return len([c for c in proxied.proxy.changes() if stand.change.fits(c)])


@each(LOST)
def test_a_lost_answer_is_looked_up(verb: Verb, site: Site, proxied: Proxied) -> None:
    stand = stand_for(site, verb)
    proxied.proxy.fault(stand.change, Cut(after=True))
    proxied.operator.done(verb.name, **parameters_for(verb, stand))
    assert stand.is_as_it_should()
    assert sent(proxied, stand) == 1


@each(REFUSED)
def test_what_the_cloud_refuses_is_a_failure_that_says_so(
    verb: Verb, site: Site, proxied: Proxied
) -> None:
    stand = stand_for(site, verb)
    before = stand.facts()
    proxied.proxy.fault(stand.change, Status(409))
    ended = proxied.operator.run(verb.name, **parameters_for(verb, stand))
    assert ended.kind == "failed", ended
    assert "409" in ended.text
    assert stand.facts() == before


@each(KILLED)
@pytest.mark.usefixtures("hasty")
def test_killed_after_the_request_and_resumed_it_is_done_once(
    verb: Verb, site: Site, operator: Operator, proxied: Proxied
) -> None:
    stand = stand_for(site, verb)
    held = proxied.proxy.fault(stand.change, Hold("answer"))
    victim = proxied.operator.start(verb.name, **parameters_for(verb, stand))
    held.wait_reached(60)
    run = victim.run
    assert victim.kill()
    held.remove()
    held.release()

    proxied.operator.done("run.resume", run=run)

    until(stand.is_as_it_should, f"{verb.name}", 30)
    assert sent(proxied, stand) == 1
