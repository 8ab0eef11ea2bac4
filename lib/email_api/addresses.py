"""Mail addresses: checked before anything is sent, in the one form in which they go out."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from functools import lru_cache

import idna
import msgspec
from email_validator import EmailNotValidError, validate_email

from common.errors import UserError
from common.text import clean, shorten
from email_api.mailboxes import mailboxes

# What follows an address in the oldest form of a name (RFC 822): `ann@example.org (Ann Lee)`.
_COMMENT = re.compile(r"([^\s<>]+)\s*\(([^()]*)\)")
# A name that is not in quotes has none of what is between addresses (RFC 5322, 3.2.3).
_NAMED = re.compile(
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)"[ \t]*|(?P<name>[^][<>@,;:"()\\\r\n]*))<(?P<spec>[^<>]*)>'
)
# What else may stand before an address in angle brackets: folds (RFC 5322, 2.2.3), comments without
# others in them (3.2.2), and, as Outlook writes it, the address once more.
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)')
# Any valid domain does: that of the address is known to be right.
_STAND_IN = "example.org"
_LONGEST_SHOWN = 80
_LOWER = {ord(upper): ord(upper.lower()) for upper in string.ascii_uppercase}


class Address(msgspec.Struct, frozen=True):
    """A valid address. ``spec`` is how it goes out: its domain is ASCII (IDNA), always.

    ``name`` is what is shown beside it, or nothing.
    """

    spec: str
    name: str = ""

    @property
    def needs_utf8(self) -> bool:
        """Whether only a server with SMTPUTF8 can take it: it has other letters before the @."""
        return not self.spec.isascii()

    @property
    def domain(self) -> str:
        """What is behind the @."""
        return self.spec.rpartition("@")[2]

    @property
    def key(self) -> str:
        """What tells one person's address from another's."""
        return folded(self.spec)

    def __str__(self) -> str:
        """Return it as a person writes it."""
        return f"{self.name} <{self.spec}>" if self.name else self.spec


def address(text: str, local_domains: Iterable[str] = ()) -> Address:
    """Return the one address that ``text`` is, written ``ann@example.org`` or ``Ann <ann@...>``.

    A text of several is refused: :func:`addresses` takes those.

    Nothing is looked up in DNS. Domains that cannot be reached from everywhere (``localhost``,
    ``corp.local``) are refused unless ``local_domains`` has them. Raises UserError that says why.
    """
    return _parsed(text, frozenset(map(_ascii, local_domains)))


def folded(text: str) -> str:
    """Return what an address is compared by: no mail server in use tells ``Ann@`` from ``ann@``.

    Only letters of ASCII are folded. Others have no upper or lower case that all servers agree on:
    what folds ``\u017fteve@`` and ``steve@`` into one would tell one person what is another's.
    """
    return text.translate(_LOWER)


def addresses(texts: str | Iterable[str], local_domains: Iterable[str] = ()) -> list[Address]:
    """Return the addresses in a text or in several, each once; raises as :func:`address`.

    Each text may have several, in any form that :func:`email_api.mailboxes.mailboxes` reads.
    """
    domains = frozenset(map(_ascii, local_domains))
    found: dict[str, Address] = {}
    for text in mailboxes(texts if isinstance(texts, str) else list(texts)):
        one = _mailbox(text, domains)
        found.setdefault(one.key, one)
    return list(found.values())


@lru_cache(1024)  # the sender stands in every message of a campaign
def _parsed(text: str, local_domains: frozenset[str]) -> Address:
    known = mailboxes(text)
    if len(known) > 1:
        raise _invalid(text, f"it is {len(known)} of them, and one is wanted here")
    return _mailbox(known[0] if known else text, local_domains)


def _mailbox(text: str, local_domains: frozenset[str]) -> Address:
    if commented := _COMMENT.fullmatch(text.strip()):
        return Address(_spec(commented[1], local_domains), clean(commented[2]).strip())
    named = _NAMED.fullmatch(_bare(text.strip()))
    if not named:
        return Address(_spec(text.strip(), local_domains))
    name = named["name"] if named["quoted"] is None else re.sub(r"\\(.)", r"\1", named["quoted"])
    return Address(_spec(named["spec"].strip(), local_domains), clean(name).strip())


def _bare(text: str) -> str:
    """Return a mailbox without what means nothing before its angle brackets."""
    before, bracket, spec = _FOLD.sub("", text).rpartition("<")
    name = _PART.sub(lambda part: "" if part[0].startswith("(") else part[0], before)
    if folded(name.strip()) == folded(spec.removesuffix(">")):
        name = ""
    return f"{name}{bracket}{spec}"


def _spec(spec: str, local_domains: frozenset[str]) -> str:
    local, _, domain = spec.rpartition("@")
    site = _ascii(domain) if local_domains else ""
    site = site if site in local_domains else ""
    # Such letters are allowed, but they are also how a header says that a text is encoded, and
    # not every reader knows that there are none in an address.
    if "=?" in local:
        raise _invalid(spec, "it looks like an encoded word")
    try:
        valid = validate_email(f"{local}@{_STAND_IN}" if site else spec, check_deliverability=False)
    except EmailNotValidError as error:
        raise _invalid(spec, clean(error).rstrip(".")) from None
    return f"{valid.local_part}@{site or valid.ascii_domain}"


@lru_cache(64)
def _ascii(domain: str) -> str:
    """Return a domain as it goes out; as it is, if it is one that IDNA has no form for."""
    try:
        return idna.encode(domain, uts46=True).decode() if len(domain) < 256 else domain
    except UnicodeError:  # which errors of IDNA are
        return folded(domain)


def _invalid(spec: str, why: str) -> UserError:
    shown = shorten(clean(spec), _LONGEST_SHOWN)
    return UserError(f"{shown!r} is not a mail address: {why}.")
