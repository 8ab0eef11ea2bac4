"""Rows by person: whatever owners are, nobody is lost without a word and nobody told twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from owners.owners import Owner, readers

LOCAL = st.sampled_from(["ann", "Ann", "bob", "bob+x", "ü", ""])
DOMAIN = st.sampled_from(["example.org", "EXAMPLE.org", "exämple.org", "x", ""])
ADDRESS = st.builds("{}@{}".format, LOCAL, DOMAIN) | st.sampled_from(
    ["", "Ann <ann@example.org>", "ann@example.org\r\nBcc: eve@example.org", "False", " "]
)
OWNERS = st.builds(
    Owner,
    name=st.sampled_from(["ann", "bob", "x\n\x1b[31m"]),
    address=ADDRESS,
    why=st.sampled_from(["", "", "user is disabled"]),
    is_person=st.booleans(),
)


class Given:
    """Owners that stand in the row itself."""

    columns = ("owners",)
    reasons: list[tuple[str, str]] = []  # noqa: RUF012 - never changed

    def of(self, row: Any, unread: Collection[str] = ()) -> Iterable[Owner]:
        owners: list[Owner] = row["owners"]
        return owners


@settings(suppress_health_check=[HealthCheck.too_slow])  # where others work on the machine
@given(st.lists(st.lists(OWNERS, max_size=4), max_size=12))
def test_every_owner_of_every_row_is_told_or_named(owners: list[list[Owner]]) -> None:
    rows = [
        {"id": f"id-{number}", "name": f"n-{number}", "owners": some}
        for number, some in enumerate(owners)
    ]
    found = readers(rows, Given())
    addresses = [reader.address.casefold() for reader in found.told]
    assert len(set(addresses)) == len(addresses), "one mail a person"
    assert all("\n" not in address and "@" in address for address in addresses)
    told = Counter(row["id"] for reader in found.told for row in reader.rows)
    named = Counter(name for one in found.left for name in one.concerns)
    for reader in found.told:
        assert reader.rows, "nobody is told of nothing"
        assert len({row["id"] for row in reader.rows}) == len(reader.rows), "nothing twice"
    for row in rows:
        assert told[row["id"]] + named[row["name"]] >= 1, "lost"
        out = sum(bool(one.why) for one in row["owners"])
        assert named[row["name"]] >= (out if row["owners"] else 1)
    for one in found.left:
        assert one.why
        assert (one.owner + one.address).isprintable()


def test_a_person_is_addressed_by_their_only_name() -> None:
    ann = Owner("Ann", "ann@example.org", is_person=True)
    other = Owner("Admin", "ANN@example.org", is_person=True)
    contact = Owner("ann@example.org", "ann@example.org")
    rows = [{"id": str(number), "owners": [one]} for number, one in enumerate([ann, contact, ann])]
    (reader,) = readers(rows, Given()).told
    assert (reader.name, len(reader.rows)) == ("Ann", 3)
    (reader,) = readers([*rows, {"id": "9", "owners": [other]}], Given()).told
    assert (reader.name, len(reader.rows)) == (None, 4)


def test_domains_of_the_site_count_if_they_are_configured() -> None:
    rows = [{"id": "1", "owners": [Owner("ann", "ann@corp.local")]}]
    assert readers(rows, Given()).told == []
    assert [one.why for one in readers(rows, Given()).left] == ["address is not valid"]
    assert len(readers(rows, Given(), ["corp.local"]).told) == 1
