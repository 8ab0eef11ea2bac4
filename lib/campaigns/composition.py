"""From a mail's variables to the message that goes out: composed when planned, sent as it was.

What is composed while a plan is drawn is kept, as long as the account lives and room is left, for
the step that sends it; so nothing is rendered twice in one process.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from accounts.smtp import SmtpAccount
from common.files import read_regular
from workflow_api import UserError, clean

if TYPE_CHECKING:
    from email_api.addresses import Address
    from email_api.messages import Envelope, Part

# Bytes of messages that are kept of a campaign.
_ROOM = 128 * 2**20
_IMAGES = ((b"\x89PNG\r\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"))


class Message(NamedTuple):
    """A mail as it goes out."""

    subject: str
    envelope: Envelope


class _Kept(dict[tuple[str, str], Message]):
    """What was composed, by its campaign with its options and its recipient with its variables."""

    room = _ROOM


_kept: WeakKeyDictionary[SmtpAccount, _Kept] = WeakKeyDictionary()


class Writer:
    """Writes the messages of one campaign.

    ``options`` are the campaign's: ``common`` variables, ``cc``, ``bcc``, ``override``,
    ``sender``, ``reply_to``, ``unsubscribe``.
    """

    def __init__(
        self, smtp: SmtpAccount, notice: str, key: str, options: Mapping[str, Any]
    ) -> None:
        """Raise UserError for a notice, an address or a logo that is not right."""
        from email_api import notices
        from email_api.addresses import address
        from email_api.messages import routing

        settings = smtp.config.email
        self.smtp, self.key, self.options = smtp, key, options
        self.notice = notices.notice(notice, [settings.templates] if settings.templates else [])
        self._organisation = smtp.config.organisation
        self._logo = _logo(self._organisation.logo)
        self._campaign = json.dumps([notice, key, options], sort_keys=True)
        self._common: dict[str, Any] = {
            **({"campaign": key} if "campaign" in self.notice.schema.variables else {}),
            **options.get("common", {}),
        }
        self._routing = routing(
            smtp,
            sender=options.get("sender") or "",
            reply_to=options.get("reply_to") or "",
            cc=options.get("cc", ()),
            bcc=options.get("bcc", ()),
            override_recipient=options.get("override") or "",
            unsubscribe=options.get("unsubscribe") or "",
        )
        address(smtp.entry.sender, settings.local_domains)

    def prepare(self, recipient: Address | str, content: Mapping[str, Any]) -> Message:
        """Compose a message and keep it for :meth:`message`.

        A recipient that is a text, as the ledger has it, is parsed. Raises UserError if the message
        cannot be composed.
        """
        kept, name = _kept.setdefault(self.smtp, _Kept()), self._name(recipient, content)
        if (made := kept.get(name)) is None:
            made = self._compose(recipient, content)
            if kept.room > 0:
                kept[name], kept.room = made, kept.room - len(made.envelope.data)
        return made

    def prepare_all(
        self, contents: Iterable[tuple[Address | str, Mapping[str, Any]]]
    ) -> tuple[list[tuple[str, Message]], list[str]]:
        """Return the messages to all recipients, and why some cannot be composed."""
        messages, wrong = list[tuple[str, Message]](), list[str]()
        for recipient, content in contents:
            spec = _spec(recipient)
            try:
                messages.append((spec, self.prepare(recipient, content)))
            except UserError as error:
                wrong.append(f"{spec}: {error}")
        return messages, wrong

    def message(self, recipient: str, content: Mapping[str, Any]) -> Message:
        """Return the message that was prepared, or compose it again."""
        kept, name = _kept.setdefault(self.smtp, _Kept()), self._name(recipient, content)
        if (made := kept.pop(name, None)) is None:
            return self._compose(recipient, content)
        kept.room += len(made.envelope.data)
        return made

    def _name(self, recipient: Address | str, content: Mapping[str, Any]) -> tuple[str, str]:
        return self._campaign, json.dumps([_spec(recipient), content], sort_keys=True)

    def _compose(self, recipient: Address | str, content: Mapping[str, Any]) -> Message:
        from email_api.addresses import address
        from email_api.messages import Content, compose
        from email_api.rendering import LOGO

        rendered = self.notice.render({**self._common, **content}, self._organisation)
        images = self._logo if f"cid:{LOGO}" in rendered.html else []
        said = Content(
            subject=rendered.subject, text=rendered.text, html=rendered.html, images=images
        )
        if isinstance(recipient, str):
            recipient = address(recipient, self.smtp.config.email.local_domains)
        envelope = compose(self.smtp, recipient, self._routing, said, self.key)
        return Message(rendered.subject, envelope)


def _spec(recipient: Address | str) -> str:
    return recipient if isinstance(recipient, str) else recipient.spec


def logo_of(path: str) -> bytes:
    """Return the organisation's logo, nothing if it has none; UserError if it cannot be read."""
    try:
        return read_regular(path) if path else b""
    except OSError as error:
        raise UserError(f"organisation.logo {path}: {clean(error.strerror or error)}.") from None


def _logo(path: str) -> list[Part]:
    """Return the organisation's logo as a part of a message; UserError if it is none."""
    if not path:
        return []
    from email_api.messages import Part
    from email_api.rendering import LOGO

    content = logo_of(path)
    kind = next((kind for start, kind in _IMAGES if content.startswith(start)), None)
    if kind is None:
        raise UserError(f"organisation.logo {path} is not a PNG, JPEG or GIF.")
    return [Part(name=f"logo.{kind}", kind=f"image/{kind}", content=content, cid=LOGO)]
