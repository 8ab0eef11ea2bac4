"""Mails to owners: their contents, who cannot be reached, and how they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from accounts.smtp import SmtpAccount
from owners.owners import LeftOut
from workflow_api import UserError, clean

if TYPE_CHECKING:
    from email_api.addresses import Address


@dataclass(frozen=True, kw_only=True)
class OwnerMail:
    """A mail to one person: ``content`` are the notice's variables that are that person's own.

    ``address`` is one that was parsed, or as it was found, right or wrong or none; several are a
    mail to each. ``name`` is how the reader is addressed; ``owner`` (a name or id), ``project`` and
    ``concerns`` are what the operators are told if the mail cannot be sent.
    """

    address: Address | str | None
    content: Mapping[str, Any]
    name: str = ""
    owner: str = ""
    project: str = ""
    concerns: Sequence[str] = ()

    def to_each(self) -> list[OwnerMail]:
        """Return one mail for each of its addresses; itself if it has none."""
        if not isinstance(self.address, str):
            return [self]
        from email_api.mailboxes import mailboxes

        return [replace(self, address=one) for one in mailboxes(self.address) or [""]]

    def left_out(self, why: str) -> LeftOut:
        """Return its reader as one who is not told."""
        known = self.address or ""
        address = clean(known if isinstance(known, str) else known.spec)
        owner = self.owner or self.name or address or "somebody"
        return LeftOut(
            owner, why, address=address, project=self.project, concerns=tuple(self.concerns)
        )


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How a campaign goes out: the parameters that all mail runbooks share.

    ``max_recipients`` is the configuration's unless given; ``limit`` sends the first so many only;
    with ``override_recipient`` everything goes to that address alone, as a campaign of its own;
    ``preview_dir`` is a folder for ``.eml`` and ``.html`` files; with ``tell_operators`` those get
    one mail about all who are left out. ``sender`` and ``reply_to`` are the account's unless given.
    """

    max_recipients: int | None = None
    limit: int | None = None
    override_recipient: str | None = None
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    preview_dir: str | None = None
    tell_operators: bool = False
    sender: str | None = None
    reply_to: str | None = None
    unsubscribe: str | None = None

    def options(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the ledger keeps of it, with the variables that all mails share."""
        kept = {
            "override": self.override_recipient,
            "cc": list(self.cc),
            "bcc": list(self.bcc),
            "sender": self.sender,
            "reply_to": self.reply_to,
            "unsubscribe": self.unsubscribe,
        }
        return {"common": dict(common), **{name: value for name, value in kept.items() if value}}


def recipient_key(smtp: SmtpAccount, address: str | None) -> str:
    """Return what rows are grouped by so that one person gets one mail: ``Ann@X`` is ``ann@x``."""
    from email_api.addresses import address as parsed
    from email_api.addresses import folded

    try:
        return parsed(address or "", smtp.config.email.local_domains).key
    except UserError:
        return folded(clean(address or ""))


def sorted_out(
    smtp: SmtpAccount, mails: Iterable[OwnerMail], left_out: Iterable[LeftOut]
) -> tuple[dict[Address, OwnerMail], list[LeftOut]]:
    """Return the mails that can be sent, by address in a stable order, and who gets none."""
    from email_api.addresses import address

    found: dict[str, tuple[Address, OwnerMail]] = {}
    out, domains = list(left_out), tuple(smtp.config.email.local_domains)
    for mail in (one for given in mails for one in given.to_each()):
        if not mail.address:
            out.append(mail.left_out("no address"))
            continue
        valid = mail.address
        if isinstance(valid, str):
            try:
                valid = address(valid, domains)
            except UserError:
                out.append(mail.left_out("address is not valid"))
                continue
        if valid.key in found:
            out.append(mail.left_out("another mail goes to this address"))
        else:
            found[valid.key] = valid, mail
    return dict(found[key] for key in sorted(found)), sorted(out, key=lambda o: (o.why, str(o)))
