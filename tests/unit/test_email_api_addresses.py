"""Mail addresses: what is taken for one, and the one form in which it goes out."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import UserError
from email_api.addresses import Address, address, addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@example.org", Address("ann@example.org")),
        ("  ann@Example.ORG ", Address("ann@example.org")),
        ("Ann.Lee+cloud@example.org", Address("Ann.Lee+cloud@example.org")),
        ("Ann Lee <ann@example.org>", Address("ann@example.org", "Ann Lee")),
        ("<ann@example.org>", Address("ann@example.org")),
        ('"Lee, Ann \\"A\\"" <ann@example.org>', Address("ann@example.org", 'Lee, Ann "A"')),
        ("Société A. <ann@example.org>", Address("ann@example.org", "Société A.")),
        ("ann@exämple.org", Address("ann@xn--exmple-cua.org")),
        ("ann@xn--exmple-cua.org", Address("ann@xn--exmple-cua.org")),
        ("ann@EXÄMPLE。org", Address("ann@xn--exmple-cua.org")),
        ("jürgen@exämple.org", Address("jürgen@xn--exmple-cua.org")),
        ("ju\u0308rgen@example.org", Address("jürgen@example.org")),
        ("δοκιμή@παράδειγμα.δοκιμή", Address("δοκιμή@xn--hxajbheg2az3al.xn--jxalpdlp")),
        ("o'neil_{x}%y!z/a=b?c@example.org", Address("o'neil_{x}%y!z/a=b?c@example.org")),
    ],
)  # fmt: skip
def test_addresses(text: str, expected: Address) -> None:
    assert address(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "must have an @-sign"),
        ("False", "must have an @-sign"),
        ("n/a", "must have an @-sign"),
        ("@example.org", "something before the @-sign"),
        ("ann@", "something after the @-sign"),
        ("ann@example", "should have a period"),
        ("ann@localhost", "should have a period"),
        ("nova@cloud.localhost", "special-use or reserved"),
        ("ann@corp.local", "special-use or reserved"),
        ("ann@x.invalid", "special-use or reserved"),
        ("ann@[192.0.2.1]", "bracketed IP address"),
        ("ann lee@example.org", "invalid characters"),
        ('"ann lee"@example.org', "Quoting"),
        ("ann@example.org, bob@example.org", "it is 2 of them, and one is wanted"),
        ("ann@example.org\r\nBcc: eve@example.org", "invalid characters"),
        ("ann@example.org\nBcc:<eve@example.org>", "invalid characters"),
        ("ann\x00@example.org", "invalid characters"),
        ("ann\u202e@example.org", ""),
        ("ann\ud800@example.org", ""),
        ("ann@exa\u200bmple.org", ""),
        ("Ann\r\nBcc: x <ann@example.org>", ""),
        ("ann@example.org <eve@example.org>", ""),
        ('"Ann <ann@example.org>', ""),
        ("Ann <ann@example.org> <eve@example.org>", ""),
        (".ann@example.org", "cannot start with a period"),
        ("ann@-example.org", "cannot have a hyphen"),
        ("=?utf-8?q?ann=0aBcc:eve?=@example.org", "encoded word"),
        ("a" * 250 + "@example.org", "too long"),
        (" " * 100_000 + "x", "must have an @-sign"),
        ('"' * 100_000, ""),
        ("ann@" + "a" * 64 + ".org", ""),
        ("ann@" + "a." * 127 + "org", "too long"),
    ],
)
def test_what_is_none(text: str, why: str) -> None:
    with pytest.raises(UserError, match="is not a mail address: ") as error:
        address(text)
    assert why in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("domain", ["corp.local", "localhost", "mail", "Corp.Local"])
def test_domains_of_the_site(domain: str) -> None:
    found = address(f"ann@{domain}", ["corp.LOCAL", "localhost", "mail"])
    assert found.spec == f"ann@{domain.lower()}"
    for wrong in (f"ann lee@{domain}", f"@{domain}", f"a@b@{domain}", "ann@other.local"):
        with pytest.raises(UserError):
            address(wrong, ["corp.local", "localhost", "mail"])


def test_who_is_the_same() -> None:
    texts = ["Ann@example.org", "bob@exämple.org", "ANN@EXAMPLE.ORG", "bob@xn--exmple-cua.org"]
    assert [one.spec for one in addresses(texts)] == ["Ann@example.org", "bob@xn--exmple-cua.org"]
    assert address("Ann@example.org").key == "ann@example.org"
    assert addresses([]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u017fteve@example.org", "steve@example.org"),
        ("wei\u00df@example.org", "weiss@example.org"),
        ("\ufb01x@example.org", "fix@example.org"),
        ("J\u00dcRGEN@example.org", "j\u00fcrgen@example.org"),
        ("ann@stra\u00dfe.org", "ann@strasse.org"),
    ],
)
def test_who_only_looks_the_same(one: str, other: str) -> None:
    assert address(one).key != address(other).key
    assert len(addresses([one, other])) == 2


def test_a_domain_of_the_site_in_other_letters() -> None:
    sites = ["B\u00fccher.local", "my_site"]
    for text in ("ann@b\u00fccher.local", "ann@B\u00dcCHER.local", "ann@xn--bcher-kva.local"):
        assert address(text, sites).spec == "ann@xn--bcher-kva.local"
    assert address("ann@MY_SITE", sites).spec == "ann@my_site"


@pytest.mark.parametrize(("text", "needs"), [("ann@exämple.org", False), ("änn@example.org", True)])
def test_who_needs_smtputf8(text: str, needs: bool) -> None:
    assert address(text).needs_utf8 is needs


def test_how_it_is_shown() -> None:
    assert str(address("Ann Lee <ann@example.org>")) == "Ann Lee <ann@example.org>"
    assert str(address("ann@example.org")) == "ann@example.org"
    assert address('"Ann\r\nBcc: eve@x" <ann@example.org>').name == "Ann Bcc: eve@x"


unhurried = settings(deadline=None)  # a busy machine is no slow check
_PIECES = st.sampled_from(
    ["@", ".", "<", ">", '"', "\r\n", "=?utf-8?q?=0a?=", "example.org", ",", " "]
)


@pytest.mark.long
@unhurried
@given(st.lists(_PIECES | st.text(max_size=8), max_size=8).map("".join))
def test_whatever_is_taken_is_safe_and_stays_what_it_is(text: str) -> None:
    try:
        found = address(text)
    except UserError as error:
        told = str(error)
    else:
        told = ""
        check(found)
    assert told.isprintable()


def check(found: Address) -> None:
    assert found.spec.isprintable()
    assert found.name.isprintable()
    assert not set(found.spec) & set(' \t\r\n<>,;:"()[]\\')
    assert found.domain.isascii()
    assert address(found.spec) == Address(found.spec)


@unhurried
@given(st.text(string.ascii_letters + string.digits + "!#$%&'*+-/^_`{|}~", min_size=1, max_size=64))
def test_every_plain_local_part_is_kept(local: str) -> None:
    assert address(f"{local}@example.org").key == f"{local}@example.org".lower()
