"""Every verb of the tables on a real cloud: with a lost answer, refused, killed and resumed."""

from __future__ import annotations

import pytest

from support.cloud_operator import Operator
from support.cloud_proxied import Proxied
from support.cloud_site import Guest, Site, until
from support.proxy import Cut, Hold, Match, Status
from support.verb_states import is_as_it_should, ready_for
from verbs.servers import SERVER_VERBS
from verbs.verb import Verb

_CHANGE = Match("compute", "POST", "/action$")
each_verb = pytest.mark.parametrize("verb", SERVER_VERBS, ids=lambda verb: verb.name)


def sent(proxied: Proxied, guest: Guest) -> int:
    return len([change for change in proxied.proxy.changes() if guest.id in change.path])


@each_verb
def test_a_lost_answer_is_looked_up(verb: Verb, site: Site, proxied: Proxied) -> None:
    guest = ready_for(site, verb)
    proxied.proxy.fault(_CHANGE, Cut(after=True))
    proxied.operator.done(verb.name, server=guest.id)
    assert is_as_it_should(site, verb, guest)
    assert sent(proxied, guest) == 1


@each_verb
def test_what_the_cloud_refuses_is_a_failure_that_says_so(
    verb: Verb, site: Site, proxied: Proxied
) -> None:
    guest = ready_for(site, verb)
    before = site.server(guest)
    proxied.proxy.fault(_CHANGE, Status(409))
    ended = proxied.operator.run(verb.name, server=guest.id)
    assert ended.kind == "failed", ended
    assert "409" in ended.text
    after = site.server(guest)
    assert (after["status"], after["locked"]) == (before["status"], before["locked"])


@each_verb
@pytest.mark.usefixtures("hasty")
def test_killed_after_the_request_and_resumed_it_is_done_once(
    verb: Verb, site: Site, operator: Operator, proxied: Proxied
) -> None:
    guest = ready_for(site, verb)
    held = proxied.proxy.fault(_CHANGE, Hold("answer"))
    victim = proxied.operator.start(verb.name, server=guest.id)
    held.wait_reached(60)
    run = victim.run
    assert victim.kill()
    held.remove()
    held.release()

    proxied.operator.done("run.resume", run=run)

    until(lambda: is_as_it_should(site, verb, guest), f"{verb.name} of {guest.name}", 30)
    assert sent(proxied, guest) == 1
