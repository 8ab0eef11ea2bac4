"""How many requests a dozen real questions take: ours, beside a client that asks row by row.

Ours are counted on devcloud, by a proxy in front of every endpoint, logins and version documents
aside. The client by rows is reckoned from the same rows, in its favour: it asks the service for
less where we do, reads pages as large as ours, and asks for each different value once: one request
for each value that a chain or a join leads over (the users of the servers, the servers of each
project), one for each row and source (a hypervisor's inventory), one a page of the first listing.

The last columns are the same in a big cloud: 10,000 rows, or as many as SIZES says, of everything
that the question is about. Ours is then what was counted, and the further pages of each listing;
the client's are the different values that so many rows can have.

    python bench/query_requests.py

Exit status 1 if ours is more than the client's, or if anything of ours was asked once a row.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec
import openstack
import yaml

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "lib"), str(TOP / "tests"), str(TOP / "bench")]

from bench_cloud import STATE  # noqa: E402
from query_questions import QUESTIONS, Question  # noqa: E402

from accounts.cloud import Cloud  # noqa: E402
from accounts.config import load  # noqa: E402
from query_api.execution.columns import ColumnSet  # noqa: E402
from query_api.execution.query import Query  # noqa: E402
from query_api.execution.running import Run  # noqa: E402
from query_api.language.conditions import all_of  # noqa: E402
from query_api.language.schema import Link, Resource  # noqa: E402
from query_api.resources import resource  # noqa: E402
from support.cloud_proxied import behind, endpoints  # noqa: E402
from support.proxy import CloudProxy  # noqa: E402

MANY = 10_000
# How many there are of what is not 10,000.
SIZES = {"domain": 2, "project": 500, "user": 5000, "group": 50, "role": 5, "image": 200}
SIZES |= {"flavor": 50, "hypervisor": 300, "network": 500, "security_group": 1000}
# Documents that say which versions there are; what is asked for one thing by its id.
_VERSIONS = re.compile(r"^(/(v\d[\d.]*|volume|identity|image|placement)?)*/?(\?|$)")
_ONE = re.compile(r"/([0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})(/|\?|$)")
_NOBODYS = "0" * 32  # asked for to see what the account may see


@dataclass
class Counted:
    """One question's requests: ours and the client's, on devcloud and for 10,000 rows."""

    asks: str
    rows: int
    ours: int
    client: int
    ours_many: int
    client_many: int
    by_row: int

    @property
    def wrong(self) -> str:
        """Why this is not as it should be; nothing if it is."""
        if self.ours > self.client or self.ours_many > self.client_many:
            return "more than row by row"
        return f"{self.by_row} asked once a row" if self.by_row else ""


def main() -> None:
    """Ask on devcloud, print the table, and exit with 1 if a limit is missed."""
    config = yaml.safe_load((STATE / "openstack_ops.yaml").read_text())
    (entry,) = config["clouds"]
    names = {"auth": entry["auth"], "region_name": entry["region_name"]}
    sdk = openstack.connect(**names, load_yaml_config=False, load_envvars=False)
    with CloudProxy(endpoints(sdk)) as proxy:
        cloud = Cloud.from_config(load(behind(proxy, config)), None)
        counted = [_counted(question, cloud, proxy) for question in QUESTIONS]
    print(f"{'':57}{'on devcloud':>21}{'10,000 rows':>16}")
    print(f"{'question':57}{'rows':>5}{'ours':>7}{'client':>9}{'ours':>7}{'client':>9}")
    for one in counted:
        figures = f"{one.rows:5}{one.ours:7}{one.client:9}{one.ours_many:7}{one.client_many:9}"
        print(f"{one.asks:57}{figures}  {one.wrong}".rstrip())
    sys.exit(any(one.wrong for one in counted))


def _counted(question: Question, cloud: Cloud, proxy: CloudProxy) -> Counted:
    asked = question.queries(cloud)
    for query in asked:
        query.run([cloud])  # logged in, versions known, rights known for a minute: paid for once
    proxy.clear()
    rows = sum(len(query.run([cloud]).rows) for query in asked)
    sent = [r.path for r in proxy.requests if not r.is_login and not _VERSIONS.match(r.path)]
    single = [path for path in sent if _ONE.search(path.replace(_NOBODYS, ""))]
    parts = [_Part(query, cloud, question) for query in asked]
    return Counted(
        question.asks,
        rows,
        len(sent),
        sum(part.client() for part in parts),
        len(sent) + sum(part.further_pages() for part in parts),
        sum(part.client(big=True) for part in parts),
        max(0, len(single) - question.by_id),
    )


class _Part:
    """One query of a question, taken apart: what it lists, and over what it leads from there."""

    def __init__(self, query: Query, cloud: Cloud, question: Question) -> None:
        self._query, self._cloud, self._grows = query, cloud, question.grows
        self._last = Run(query, datetime.now(timezone.utc)).column_sets[-1]

    def client(self, *, big: bool = False) -> int:
        """Return the requests of a client that asks row by row; in a big cloud if ``big``."""
        first = self._query.stages[0].resource
        asked = len(first.listings) * self._needed(first)
        if big and self._grows == "all":
            asked *= _pages(first, _size(first))
        values = [*self._followed(), *self._joined()]
        asked += sum(_size(of) if big and grows else number for of, number, grows in values)
        rows = _size(self._last.resource) if big else self._own_rows()
        return asked + rows * len(self._last.sources)

    def further_pages(self) -> int:
        """Return how many more requests of ours a big cloud takes than were counted."""
        if self._grows == "none":
            return 0
        read = [stage.resource for stage in self._query.stages]
        read += [columns.resource for _, _, columns in _tree(self._last)]
        if self._grows == "last":  # the first ones stay few
            del read[: len(self._query.stages) - 1]
        return sum((_pages(of, _size(of)) - 1) * len(of.listings) for of in read)

    def _needed(self, of: Resource) -> int:
        """Return for how many values it has to be asked at all: quotas are a project's."""
        if "project_id" not in of.needs:
            return 1
        return len(set(self._query.select("project_id").run([self._cloud]).column("project_id")))

    def _followed(self) -> Iterator[tuple[Resource, int, bool]]:
        stages = self._query.stages
        for number in range(1, len(stages)):
            of, stage = stages[number - 1].resource, stages[number]
            link = stage.link
            assert link is not None, "only the first stage is not led to"
            before = Query(stages[:number]).select(link.here).run([self._cloud])
            number = len(_different(before.column(link.here)))
            yield _led_by(of, link), number, self._grows == "all"

    def _joined(self) -> Iterator[tuple[Resource, int, bool]]:
        for path, (of, link), _ in _tree(self._last):
            answer = self._before_joins().select(path).run([self._cloud])
            yield _led_by(of, link), len(_different(answer.column(path))), self._grows != "none"

    def _before_joins(self) -> Query:
        """Return the query with the conditions only that a row's own columns decide."""
        *before, stage = self._query.stages
        own, _ = self._last.split(stage.condition)
        plain = msgspec.structs.replace(stage, condition=all_of(*own))
        return Query((*before, plain))

    def _own_rows(self) -> int:
        return len(self._before_joins().run([self._cloud]).rows)


def _tree(
    columns: ColumnSet, prefix: str = ""
) -> Iterator[tuple[str, tuple[Resource, Link], ColumnSet]]:
    """Yield each join below a column set: its path, its link, and the column set there."""
    for join in columns.joins:
        yield prefix + join.link.here, (columns.resource, join.link), join.columns
        yield from _tree(join.columns, f"{prefix}{join.link.name}.")


def _led_by(of: Resource, link: Link) -> Resource:
    """Return of what the values are that lead over a link: its own rows, or the ones there."""
    return of if link.many else resource(link.resource)


def _different(column: Sequence[Any]) -> set[Any]:
    flat = (one for value in column for one in (value if isinstance(value, list) else (value,)))
    return {one for one in flat if one is not None}


def _size(of: Resource) -> int:
    return SIZES.get(of.name, MANY)


def _pages(of: Resource, rows: int) -> int:
    return max(math.ceil(rows / one.page) if one.paging != "none" else 1 for one in of.listings)


if __name__ == "__main__":
    main()
