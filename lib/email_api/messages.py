"""From a rendered notice to the bytes that go over the wire and who gets them."""

from __future__ import annotations

import hashlib
import html as markup
import quopri
import re
from collections.abc import Sequence
from datetime import datetime, timezone
from email.message import MIMEPart
from email.policy import SMTP, compat32
from email.utils import format_datetime

import msgspec

from accounts.smtp import SmtpAccount
from common.errors import UserError
from common.text import clean
from email_api.addresses import Address, address, addresses
from email_api.headers import address_header, text_header, token_header

_MIB = 2**20
_LONGEST_LINK = 900
_LINK = re.compile(r"(https://|mailto:)[!-;=?-~]+")
_TOKEN = re.compile(r"[\w.+-]+(/[\w.+-]+)?", re.ASCII)
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_FROM = re.compile(rb"(?m)^From ")
_BANNER = (
    '<div style="margin:0;padding:8px 12px;background-color:#fff3cd;color:#5c4400;'
    'border:1px solid #e0c060;font:14px/20px sans-serif">{}</div>\n'
)
# The older policy takes headers as they are; the newer one parses them, for half of the time.
_WIRE = compat32.clone(linesep="\r\n")
# What no text holds: mail readers differ in what they do with these. Tabs and line ends stay.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file that goes with a message: ``kind`` is its MIME type.

    An image that the HTML shows has a ``cid``, by which it says ``<img src="cid:...">``.
    """

    name: str
    kind: str
    content: bytes
    cid: str = ""


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """One message, whole, and the addresses that it is sent from and to.

    ``needs_utf8`` says that only a server with SMTPUTF8 can take it. If that is only because of
    copies, ``without_utf8`` is the same without them, for any other server.
    """

    sender: str
    to: tuple[str, ...]
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    data: bytes
    message_id: str
    needs_utf8: bool = False
    without_utf8: Envelope | None = None

    def __repr__(self) -> str:
        return f"<Envelope {self.message_id} to {', '.join(self.to)}>"


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a message says."""

    subject: str
    text: str
    html: str
    attachments: Sequence[Part] = ()
    images: Sequence[Part] = ()


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """From whom the messages of a campaign come, and where they go besides their recipients.

    With ``override`` they go there alone, and say in a banner and in ``X-Original-To`` whom they
    were for. ``unsubscribe`` is an ``https:`` or ``mailto:`` link.
    """

    sender: Address
    reply_to: Sequence[Address] = ()
    cc: Sequence[Address] = ()
    bcc: Sequence[Address] = ()
    override: Sequence[Address] = ()
    unsubscribe: str = ""


def routing(
    account: SmtpAccount,
    *,
    sender: str = "",
    reply_to: str = "",
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    override_recipient: str = "",
    unsubscribe: str = "",
) -> Routing:
    """Return the routing for addresses as operators write them.

    Sender and reply-to are the account's unless given. ``override_recipient`` is one address or
    several. Raises UserError for one that is not right.
    """
    domains = tuple(account.config.email.local_domains)
    override = addresses(override_recipient, domains)
    if override_recipient and not override:
        override = [address(override_recipient)]  # there is none, which is said of the text
    return Routing(
        sender=address(sender or account.entry.sender, domains),
        reply_to=addresses(reply_to or account.entry.reply_to or "", domains),
        cc=addresses(cc, domains),
        bcc=addresses(bcc, domains),
        override=override,
        unsubscribe=unsubscribe,
    )


def compose(
    account: SmtpAccount,
    meant: Address,
    routing: Routing,
    content: Content,
    campaign: str,
    *,
    date: datetime | None = None,
) -> Envelope:
    """Return the message of ``campaign`` to the recipient that it is ``meant`` for.

    The same campaign and recipient always have the same Message-ID. ``date`` is now unless given.
    Raises UserError for a link or file that is not right, and for a message that is too large.
    """
    settings = account.config.email
    origin, answers = routing.sender, routing.reply_to
    copies, hidden = _copies(meant, routing)
    targets: Sequence[Address] = [meant]
    instead = []
    if routing.override:
        targets = routing.override
        content = _with_banner(content, _diverted_from(meant, copies, hidden))
        instead = [text_header("X-Original-To", meant.spec)]
        copies, hidden = [], []
    message_id, leave = _message_id(campaign, meant, targets, origin), routing.unsubscribe
    head = [
        *([address_header("Reply-To", answers)] if answers else []),
        text_header("Subject", content.subject),
        token_header("Date", format_datetime(date or datetime.now(timezone.utc))),
        token_header("Message-ID", message_id),
        token_header("Auto-Submitted", "auto-generated"),
        *([token_header("List-Unsubscribe", f"<{_link(leave)}>")] if leave else []),
        *instead,
    ]
    rest = b"".join(head) + _body(content, message_id)

    def envelope(copies: Sequence[Address], hidden: Sequence[Address]) -> Envelope:
        first = [address_header("From", [origin]), address_header("To", targets)]
        first += [address_header("Cc", copies)] if copies else []
        return Envelope(
            sender=origin.spec,
            to=tuple(one.spec for one in targets),
            cc=tuple(one.spec for one in copies),
            bcc=tuple(one.spec for one in hidden),
            data=b"".join(first) + rest,
            message_id=message_id,
            needs_utf8=any(one.needs_utf8 for one in (*needed, *copies, *hidden)),
        )

    needed = (origin, *targets, *answers)
    whole = envelope(copies, hidden)
    if len(whole.data) > settings.max_message_mib * _MIB:
        raise UserError(
            f"The message to {meant.spec} has {len(whole.data) / _MIB:.1f} MiB, and "
            f"{settings.max_message_mib} are allowed.",
            advice="Send less of it, or raise email.max_message_mib.",
        )
    if not whole.needs_utf8 or any(one.needs_utf8 for one in needed):
        return whole
    fewer = envelope(*([one for one in those if not one.needs_utf8] for those in (copies, hidden)))
    return msgspec.structs.replace(whole, without_utf8=fewer)


def _copies(meant: Address, routing: Routing) -> tuple[list[Address], list[Address]]:
    """Return who else gets it: nobody twice."""
    copies = [one for one in routing.cc if one.key != meant.key]
    seen = {meant.key, *(one.key for one in copies)}
    return copies, [one for one in routing.bcc if one.key not in seen]


def _message_id(campaign: str, meant: Address, targets: Sequence[Address], origin: Address) -> str:
    # Not the same for a message that goes elsewhere: who gets both shall see both.
    told = "\0".join((campaign, meant.key, *(one.key for one in targets)))
    digest = hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:40]
    return f"<{digest}@{origin.domain}>"


def _diverted_from(meant: Address, copies: Sequence[Address], hidden: Sequence[Address]) -> str:
    others = "".join(
        f", {word}: {', '.join(one.spec for one in those)}"
        for word, those in (("cc", copies), ("bcc", hidden))
        if those
    )
    return f"A test: without override_recipient this goes to {meant.spec}{others}."


def _with_banner(content: Content, told: str) -> Content:
    shown = _BANNER.format(markup.escape(told))
    begin = _BODY.search(content.html)
    place = begin.end() if begin else 0
    return msgspec.structs.replace(
        content,
        text=f"*** {told} ***\n\n{content.text}",
        html=content.html[:place] + shown + content.html[place:],
    )


def _link(link: str) -> str:
    if not _LINK.fullmatch(link) or len(link) > _LONGEST_LINK:
        raise UserError(
            f"{clean(link)[:80]!r} is not a link to unsubscribe with: write an https: or mailto: "
            "address without spaces."
        )
    return link


def _body(content: Content, message_id: str) -> bytes:
    """Return the headers and parts that MIME adds, from ``MIME-Version`` on."""
    # The stdlib chooses boundaries at random; so the same message would have other bytes each
    # time. These stand in no part: "=_" is in no quoted-printable and in no base64.
    token = f"=_{message_id[1:21]}"
    shown = _text(content.html, "html")
    if content.images:
        shown = _multipart("related", [shown, *map(_file, content.images)], f"{token}_related")
    body = _multipart("alternative", [_text(content.text, "plain"), shown], f"{token}_alternative")
    if content.attachments:
        body = _multipart("mixed", [body, *map(_file, content.attachments)], f"{token}_mixed")
    return token_header("MIME-Version", "1.0") + body


# The stdlib's generator writes a line after the other: as much work as filling the template.
def _multipart(kind: str, parts: Sequence[bytes], boundary: str) -> bytes:
    head = f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n'.encode()
    between = f"\r\n--{boundary}".encode()
    return head + b"".join(between + b"\r\n" + part for part in parts) + between + b"--\r\n"


def _text(text: str, kind: str) -> bytes:
    lines = _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    # The stdlib's own set_content does the same a letter at a time.
    encoded = quopri.encodestring((lines.rstrip("\n") + "\n").encode("utf-8", "replace"))
    # At the beginning of a line some mail stores take this word for the next message.
    encoded = _FROM.sub(b"=46rom ", encoded)
    head = token_header("Content-Type", f'text/{kind}; charset="utf-8"')
    head += token_header("Content-Transfer-Encoding", "quoted-printable")
    return head + b"\r\n" + encoded.replace(b"\n", b"\r\n")


def _file(file: Part) -> bytes:
    if not _TOKEN.fullmatch(file.kind) or "/" not in file.kind:
        raise UserError(f"{clean(file.kind)[:80]!r} is not a kind of file, as text/csv is.")
    if file.cid and ("/" in file.cid or not _TOKEN.fullmatch(file.cid)):
        raise UserError(f"{clean(file.cid)[:80]!r} cannot be the name of an image in a message.")
    main, _, sub = file.kind.partition("/")
    part = MIMEPart(SMTP)
    part.set_content(
        file.content,
        main,
        sub,
        disposition="inline" if file.cid else "attachment",
        filename=re.sub(r"[^A-Za-z0-9._-]+", "_", file.name)[:100] or "file",
        cid=f"<{file.cid}>" if file.cid else None,
    )
    return part.as_bytes(policy=_WIRE)
