"""What it costs to draw the plan of any verb for many servers, by enumeration of the tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from examples import example
from support.bulk import Site
from support.crowds import Crowd
from support.fake_cloud import FakeCloud
from support.server_stand import ServerBirth
from support.verb_stands import SUBJECT, VERBS
from verbs.servers import SERVER
from verbs.verb import Verb

_ROWS = 41
_OF_SERVERS = [verb for verb in VERBS if SUBJECT[verb.name] is SERVER]
_PAGES = "GET /compute/v2.1/servers(/detail)?$"


def drawn(fake: FakeCloud, folder: Path, action: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the result of a dry run over a file of these rows, each of which is to be planned."""
    file = folder / "rows.json"
    file.write_text(json.dumps(rows))
    kind, result = Site(fake, folder).bulk(action, file=str(file), dry_run=True, max_changes=500)
    assert kind == "done", result["text"]
    assert (result["left"], result["skipped"]) == ([], [])
    assert f"{len(rows)} rows" in result["summary"]
    return result


@pytest.mark.long
@pytest.mark.parametrize("verb", _OF_SERVERS, ids=lambda verb: verb.name)
def test_a_plan_over_many_servers_is_drawn_in_a_few_requests(verb: Verb, tmp_path: Path) -> None:
    with FakeCloud() as fake:
        crowd = Crowd(fake, verb, _ROWS)
        drawn(fake, tmp_path, verb.name, crowd.rows())
        assert fake.count() - fake.count(_PAGES) <= 10


@pytest.mark.long
def test_a_plan_of_many_new_servers_is_drawn_in_a_few_requests(tmp_path: Path) -> None:
    given = example("server.create")
    with FakeCloud() as fake:
        ServerBirth(fake)
        fake.nova.lives.quota = dict.fromkeys(fake.nova.lives.quota, 1_000_000)
        costs = []
        for many in (11, 41):
            before = fake.count()
            rows = [{**given, "name": f"new-{number}"} for number in range(many)]
            drawn(fake, tmp_path, "server.create", rows)
            costs.append(fake.count() - before)
        assert costs[0] == costs[1] <= 20
