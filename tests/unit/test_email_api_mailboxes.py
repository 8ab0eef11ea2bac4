"""Several addresses in one field: read by one function, in every form that is in use."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_api.addresses import Address, address, addresses
from email_api.mailboxes import mailboxes
from workflow_api import UserError

A, B = Address("a@x.org"), Address("b@x.org")


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("a@x.org", [A]),
        ("a@x.org,b@x.org", [A, B]),
        ("a@x.org;b@x.org", [A, B]),
        ("a@x.org, b@x.org;", [A, B]),
        (" ; a@x.org\r\n b@x.org\t", [A, B]),
        (["a@x.org", "b@x.org", "A@x.org"], [A, B]),
        (["a@x.org; b@x.org", None, 5], [A, B]),
        ('["a@x.org", "b@x.org"]', [A, B]),
        ("<a@x.org>,<b@x.org>", [A, B]),
        ("Ann Müller <a@x.org>; b@x.org", [Address("a@x.org", "Ann Müller"), B]),
        ('"Smith, Ann" <a@x.org>', [Address("a@x.org", "Smith, Ann")]),
        ('"Smith, Ann" <a@x.org>, b@x.org', [Address("a@x.org", "Smith, Ann"), B]),
        ('"A;B \\"C\\"" <a@x.org>;b@x.org', [Address("a@x.org", 'A;B "C"'), B]),
        ("Smith, Ann <a@x.org>; b@x.org", [Address("a@x.org", "Smith, Ann"), B]),
        ("Smith, Ann, Dr. <a@x.org>", [Address("a@x.org", "Smith, Ann, Dr.")]),
        # What a form makes of a name with a comma: it splits lists there.
        (['"Smith', ' Ann" <a@x.org>', "b@x.org"], [Address("a@x.org", "Smith, Ann"), B]),
        ("Ann <a@x.org> Bob <b@x.org>", [Address("a@x.org", "Ann"), Address("b@x.org", "Bob")]),
        ("a@x.org (Ann, at night), b@x.org", [Address("a@x.org", "Ann, at night"), B]),
        ("Ann <a@x.org> (at night), b@x.org", [Address("a@x.org", "Ann"), B]),
        ("Dr. Ann Lee (IT) <a@x.org>; b@x.org", [Address("a@x.org", "Dr. Ann Lee"), B]),
        ('"Lee (IT)" (at night) <a@x.org>', [Address("a@x.org", "Lee (IT)")]),
        ("a@x.org (or b@x.org)", [Address("a@x.org", "or b@x.org")]),
        ("A@x.org <a@x.org>; b@x.org", [A, B]),
        ('"Smith, Ann"\r\n <a@x.org>', [Address("a@x.org", "Smith, Ann")]),
        ("Operators: a@x.org, b@x.org;", [A, B]),
        ("mailto:a@x.org", [A]),
        ("undisclosed-recipients:;", []),
        ("", []),
        (" ;,; ", []),
    ],
)
def test_lists_of_addresses(held: Any, expected: list[Address]) -> None:
    assert addresses(held) == expected


@pytest.mark.parametrize(
    "held",
    ["a(x)@x.org", "a@x.org <b@x.org>", "Ann (x <a@x.org>", "Ann\r\nBcc: b@x.org <a@x.org>"],
)
def test_what_may_mean_another_is_refused(held: str) -> None:
    with pytest.raises(UserError, match="is not a mail address"):
        addresses(held)


@pytest.mark.parametrize("held", [None, 5, {}, True, [], [None]])
def test_what_is_no_text_has_no_address(held: Any) -> None:
    assert mailboxes(held) == []


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ("a@x.org, bob, b@x.org", ["a@x.org", "bob", "b@x.org"]),
        ("a@x.org; n/a", ["a@x.org", "n/a"]),
        ("bob; Ann <a@x.org>", ["bob", "Ann <a@x.org>"]),
        ('O"Neil <a@x.org>, b@x.org', ['O"Neil <a@x.org>', "b@x.org"]),
        ("a@x.org, <b@x.org", ["a@x.org", "<b@x.org"]),
        ("not known", ["not known"]),
    ],
)
def test_nothing_is_lost_that_is_no_address(held: str, expected: list[str]) -> None:
    assert mailboxes(held) == expected


def test_one_address_is_one() -> None:
    with pytest.raises(UserError, match="it is 2 of them, and one is wanted here"):
        address("a@x.org; b@x.org")
    assert address("a@x.org;") == A


NAMES = st.text('abc ,;:"\\()<>ü', max_size=8)


@given(
    st.lists(st.tuples(NAMES, st.sampled_from("ab")), min_size=1, max_size=4), st.sampled_from(",;")
)
def test_quoted_names_are_read_back(people: list[tuple[str, str]], between: str) -> None:
    def quoted(name: str) -> str:
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'

    text = between.join(f"{quoted(name)} <{who}@x.org>" for name, who in people)
    first = {f"{who}@x.org": name.strip() for name, who in reversed(people)}
    found = addresses(text)
    assert {one.spec: one.name for one in found} == first


@given(st.text(max_size=60) | st.text('a@x. ,;:"\\()<>[]', max_size=40))
def test_any_text_is_read(text: str) -> None:
    for one in mailboxes(text):
        assert one.strip()
    letters = [one for one in text if one == "@"]
    assert sum(one.count("@") for one in mailboxes(text)) <= len(letters)


@pytest.mark.parametrize("part", ['"', "(", "<", "a@x.org,", "a ", ":", ";", '"a" <', "\\"])
def test_a_long_text_takes_no_longer_than_it_is_long(part: str) -> None:
    began = time.monotonic()
    mailboxes(part * 20_000)
    assert time.monotonic() - began < 5
