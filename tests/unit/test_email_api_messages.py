"""Messages: read back by the stdlib, whatever was put in."""

from __future__ import annotations

import email
import email.policy
import re
from datetime import datetime, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from accounts.config import load
from accounts.smtp import SmtpAccount
from common.errors import UserError
from common.text import clean
from email_api.addresses import Address
from email_api.headers import address_header, token_header
from email_api.messages import Envelope, Part
from support.mailing import composed as composed_of
from support.sampling import examples

unhurried = settings(deadline=None, max_examples=examples(50))  # a busy machine is no slow message
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"]
MIME = ["MIME-Version", "Content-Type"]
PNG = Part(name="logo.png", kind="image/png", content=b"\x89PNG" + bytes(range(256)), cid="logo")
CSV = Part(name="servers.csv", kind="text/csv", content=b"name,status\r\nweb-1,ERROR\r\n")
#: What a user can call something, who means no good.
HOSTILE = st.lists(
    st.sampled_from(
        [
            "\r\nBcc: eve@example.org\r\n\r\n",
            "\nX-Evil: yes",
            "\rX-Evil: yes",
            "=?utf-8?q?=0aBcc:_eve=40example.org?=",
            "=?utf-8?b?CkJjYzogZXZl?=",
            "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029",
            "\x00",
            "\ud800",
            "\u202e",
            "😀" * 30,
            "שלום",
            "e\u0301" * 40,
            "x" * 300,
            "a: " * 100,
            ",;<>@\"'\\()[]",
            "\r\n.\r\n",
            " ",
            "\t",
        ]
    )
    | st.text(max_size=30),
    max_size=6,
).map("".join)


def account_of(entry: dict[str, Any] | None = None, **settings: Any) -> SmtpAccount:
    given = {"name": "x", "host": "x", "sender": "Test Cloud <cloud@example.org>", **(entry or {})}
    return SmtpAccount.from_config(load({"smtp_accounts": [given], "email": settings}), None)


ACCOUNT = account_of()


def composed(account: SmtpAccount = ACCOUNT, **more: Any) -> Envelope:
    given = {
        "to": "ann@example.org",
        "subject": "Broken servers",
        "text": "web-1 is broken.\n",
        "html": "<html><body><p>web-1 is broken.</p></body></html>\n",
        "campaign": "c1",
    }
    return composed_of(account, **{**given, **more})


def read(envelope: Envelope) -> EmailMessage:
    """Return the message as the stdlib reads it, after what holds for all of them."""
    lines = envelope.data.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) < 998
    if not envelope.needs_utf8:
        assert envelope.data.isascii()
    message = email.message_from_bytes(envelope.data, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    assert [part.defects for part in message.walk()] == [[] for _ in message.walk()]
    return message


def texts(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


def test_message_as_it_should_be() -> None:
    when = datetime(2026, 11, 21, 7, 0, tzinfo=timezone.utc)
    envelope = composed(date=when)
    message = read(envelope)
    assert message.keys() == HEADERS + MIME
    assert message["From"] == "Test Cloud <cloud@example.org>"
    assert message["To"] == "ann@example.org"
    assert message["Subject"] == "Broken servers"
    assert message["Date"].datetime == when
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == envelope.message_id
    assert message.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in message.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert texts(message)[0] == "web-1 is broken.\n"
    assert (envelope.sender, envelope.to) == ("cloud@example.org", ("ann@example.org",))
    assert (envelope.cc, envelope.bcc, envelope.needs_utf8) == ((), (), False)


def test_same_campaign_and_recipient_make_the_same_message() -> None:
    when = datetime(2026, 11, 21, tzinfo=timezone.utc)
    more: dict[str, Any] = {"date": when, "attachments": [CSV], "images": [PNG]}
    assert composed(**more) == composed(**more)
    ids = {
        composed().message_id,
        composed(to="bob@example.org").message_id,
        composed(campaign="c2").message_id,
        composed(override_recipient="me@example.org").message_id,
    }
    assert len(ids) == 4
    assert composed(to="ANN@example.org").message_id == composed().message_id
    assert all(re.fullmatch(r"<[0-9a-f]{40}@example\.org>", one) for one in ids)


def test_date_is_now_in_utc() -> None:
    sent = read(composed())["Date"].datetime
    assert sent.utcoffset().total_seconds() == 0
    assert abs((datetime.now(timezone.utc) - sent).total_seconds()) < 60


def test_sender_and_reply_to_are_the_accounts_unless_given() -> None:
    account = account_of({"reply_to": "Help <help@example.org>"})
    message = read(composed(account))
    assert message["Reply-To"] == "Help <help@example.org>"
    given = composed(account, sender="Boss <boss@example.net>", reply_to="b@example.net")
    assert read(given)["From"] == "Boss <boss@example.net>"
    assert read(given)["Reply-To"] == "b@example.net"
    assert given.sender == "boss@example.net"
    assert given.message_id.endswith("@example.net>")


def test_copies() -> None:
    given = composed(
        cc=["Bob Ray <bob@example.org>", "ann@example.org", "cy@example.org", "BOB@example.org"],
        bcc=["eve@example.org", "cy@example.org"],
    )
    assert given.cc == ("bob@example.org", "cy@example.org")
    assert given.bcc == ("eve@example.org",)
    message = read(given)
    assert message["Cc"] == "Bob Ray <bob@example.org>, cy@example.org"
    assert b"eve@" not in given.data
    assert "Bcc" not in message


def test_override_sends_to_one_address_and_says_whom_it_was_for() -> None:
    given = composed(
        override_recipient="me@example.org",
        cc=["bob@example.org"],
        bcc=["eve@example.org"],
        html='<html><BODY style="margin:0">\n<p>x</p></BODY></html>',
    )
    assert (given.to, given.cc, given.bcc) == (("me@example.org",), (), ())
    message = read(given)
    assert message["To"] == "me@example.org"
    assert message["X-Original-To"] == "ann@example.org"
    assert "Cc" not in message
    told = "without override_recipient this goes to ann@example.org, cc: bob@example.org, bcc: eve"
    plain, html = texts(message)
    assert plain.startswith(f"*** A test: {told}")
    assert re.match(r'<html><BODY style="margin:0"><div [^>]*>A test: ' + told, html)


def test_override_without_a_body_element() -> None:
    strange = composed(to="a&b@example.org", override_recipient="me@example.org")
    assert "this goes to a&amp;b@example.org." in texts(read(strange))[1]
    given = composed(override_recipient="me@example.org", html="<p>x</p>")
    assert re.match(r"<div [^>]*>A test: .*</div>\n<p>x</p>", texts(read(given))[1])


@pytest.mark.parametrize(
    "link", ["mailto:leave@example.org?subject=leave", "https://lists.example.org/leave?u=1&v=%20"]
)
def test_unsubscribe(link: str) -> None:
    assert read(composed(unsubscribe=link))["List-Unsubscribe"] == f"<{link}>"


@pytest.mark.parametrize(
    "link",
    [
        "http://lists.example.org/",
        "javascript:alert(1)",
        "leave@example.org",
        "https://x/ y",
        "https://x/>,<mailto:eve@example.org",
        "https://x/\r\nBcc: eve@example.org",
        "https://x/\n",
        "https://x/é",
        "https://x/" + "a" * 1000,
    ],
)
def test_links_that_are_none(link: str) -> None:
    with pytest.raises(UserError, match="not a link to unsubscribe with"):
        composed(unsubscribe=link)


def test_attachments_and_images() -> None:
    message = read(composed(attachments=[CSV], images=[PNG]))
    assert message.get_content_type() == "multipart/mixed"
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "servers.csv"
    assert attached.get_content_type() == "text/csv"
    assert attached.get_payload(decode=True) == CSV.content
    (image,) = (part for part in message.walk() if part.get_content_type() == "image/png")
    assert image["Content-ID"] == "<logo>"
    assert image.get_content_disposition() == "inline"
    assert image.get_payload(decode=True) == PNG.content
    related = next(p for p in message.walk() if p.get_content_type() == "multipart/related")
    kinds = [part.get_content_type() for part in related.iter_parts()]
    assert kinds == ["text/html", "image/png"]
    assert texts(message)[0] == "web-1 is broken.\n"


@pytest.mark.parametrize(
    "part",
    [
        Part(name="x", kind="text", content=b""),
        Part(name="x", kind="text/csv\r\nX-Evil: 1", content=b""),
        Part(name="x", kind="image/png", content=b"", cid="a>\r\nX-Evil: <1"),
        Part(name="x", kind="image/png", content=b"", cid="a b"),
    ],
    ids=str,
)
def test_files_that_are_not_right(part: Part) -> None:
    with pytest.raises(UserError):
        composed(attachments=[part])


def test_size_has_a_limit() -> None:
    account = account_of(max_message_mib=1)
    file = Part(name="x", kind="application/octet-stream", content=bytes(700_000))
    assert len(composed(account, attachments=[file]).data) > 900_000
    with pytest.raises(UserError, match=r"to ann@example\.org has 1\.8 MiB, and 1 are allowed"):
        composed(account, attachments=[file, file])


def test_addresses_in_other_letters() -> None:
    given = composed(to="Jürgen <jürgen@exämple.org>")
    assert given.needs_utf8
    assert given.to == ("jürgen@xn--exmple-cua.org",)
    assert "jürgen@xn--exmple-cua.org" in given.data.decode()
    only_domain = composed(to="Jürgen <ann@exämple.org>")
    assert not only_domain.needs_utf8
    assert read(only_domain)["To"].addresses[0].display_name == "Jürgen"
    for more in (
        {"cc": ["ü@example.org"]},
        {"bcc": ["ü@example.org"]},
        {"sender": "ü@example.org"},
    ):
        assert composed(**more).needs_utf8
        fewer = composed(**more).without_utf8
        assert (fewer is None) is ("sender" in more)
        assert fewer is None or (fewer.cc, fewer.bcc, fewer.data.isascii()) == ((), (), True)
    assert not composed(to="ü@example.org", override_recipient="me@example.org").needs_utf8


def test_domains_of_the_site_are_known() -> None:
    account = account_of(local_domains=["corp.local"])
    assert composed(account, to="ann@corp.local").to == ("ann@corp.local",)
    with pytest.raises(UserError, match="not a mail address"):
        composed(to="ann@corp.local")


def test_no_line_looks_like_the_next_message_of_a_mail_store() -> None:
    given = composed(text="From now on\nFrom me\n From\n", html="From <p>\nFrom x</p>")
    assert not re.search(rb"^>?From ", given.data, re.MULTILINE)
    assert texts(read(given)) == ("From now on\nFrom me\n From\n", "From <p>\nFrom x</p>\n")


@pytest.mark.parametrize("field", ["to", "sender", "reply_to", "override_recipient"])
def test_wrong_addresses_are_refused(field: str) -> None:
    with pytest.raises(UserError, match="not a mail address"):
        composed(**{field: "ann@example.org\r\nBcc: eve@example.org"})


@unhurried
@given(subject=HOSTILE, text=HOSTILE, html=HOSTILE, campaign=HOSTILE)
@example(
    subject="=?utf-8?q?free?=\r\nX: y",
    text="\x00x",
    html="a\x1bb",
    campaign="c\r\nBcc: e@example.org",
)
def test_no_value_becomes_a_header_or_ends_a_part(
    subject: str, text: str, html: str, campaign: str
) -> None:
    envelope = composed(subject=subject, text=text, html=html, campaign=campaign)
    message = read(envelope)
    assert message.keys() == HEADERS + MIME
    assert message["Subject"] == " ".join(clean(subject).split())
    assert message["Message-ID"] == envelope.message_id
    assert len(list(message.iter_parts())) == 2
    assert texts(message) == (as_sent(text), as_sent(html))


def as_sent(text: str) -> str:
    """Return a text as it is read: one kind of line end, no control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "", lines).rstrip("\n") + "\n"


@pytest.mark.parametrize("value", ["x\r\nBcc: eve@example.org", "x\x00", "é"])
def test_a_value_for_programs_is_one_line_of_ascii(value: str) -> None:
    with pytest.raises(ValueError, match="not for a header"):
        token_header("X-Campaign", value)


@unhurried
@given(name=HOSTILE)
@example(name='Lee" <eve@example.org>, "Ann')
@example(name="=?utf-8?q?free?=")
def test_no_name_beside_an_address_becomes_another(name: str) -> None:
    address = Address("cloud@example.org", name)
    line = address_header("From", [address, Address("bob@example.org"), address])
    assert line.isascii()
    assert max(map(len, line.split(b"\r\n"))) < 998
    message = email.message_from_bytes(line + b"\r\n", policy=email.policy.default)
    assert message.keys() == ["From"]
    specs = [one.addr_spec for one in message["From"].addresses]
    assert specs == ["cloud@example.org", "bob@example.org", "cloud@example.org"]
    # The stdlib's newer parser puts spaces between encoded words in a name; the older does not.
    pairs = getaddresses([re.sub(r"\r\n", "", line.decode()).removeprefix("From: ")])
    shown = " ".join(clean(name).split())
    decoded = [str(make_header(decode_header(found))) for found, spec in pairs]
    assert decoded == [shown, "", shown]


@unhurried
@given(name=HOSTILE)
def test_no_file_name_becomes_a_header(name: str) -> None:
    message = read(composed(attachments=[Part(name=name, kind="text/csv", content=b"x")]))
    (attached,) = message.iter_attachments()
    assert sorted(attached.keys()) == [
        "Content-Disposition",
        "Content-Transfer-Encoding",
        "Content-Type",
    ]
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,100}", attached.get_filename() or "")


@unhurried
@given(st.text(max_size=400))
def test_headers_fold_without_a_change(text: str) -> None:
    data = composed(subject=text).data
    head = data.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    assert not re.search(rb"\r\n[ \t]*\r\n", head + b"\r\n")
