"""Files in which an operator sees what a campaign would send: each message, and its HTML."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_api import UserError, clean

if TYPE_CHECKING:
    from workflows.campaign_mail import Message

_OURS = re.compile(r"\d{4,}-.*\.(eml|html)")
_ODD = re.compile(r"[^A-Za-z0-9@.+_-]+")


def write_preview(place: str, key: str, messages: Sequence[tuple[str, Message]]) -> Path:
    """Write an ``.eml`` and an ``.html`` a message into a folder of the campaign; return it.

    What an earlier preview of the campaign left there goes. Raises UserError.
    """
    folder = Path(place)
    if not folder.is_absolute():
        raise UserError(f"preview_dir must be an absolute path, not {clean(place)!r}.")
    folder = folder / _ODD.sub("_", key)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            if _OURS.fullmatch(old.name):
                old.unlink()
        for number, (recipient, message) in enumerate(messages, 1):
            name = f"{number:04}-{_ODD.sub('_', recipient)[:100]}"
            (folder / f"{name}.eml").write_bytes(message.envelope.data)
            (folder / f"{name}.html").write_text(_html(message.envelope.data), encoding="utf-8")
    except OSError as error:
        why = clean(error.strerror or type(error).__name__)
        raise UserError(f"preview_dir {clean(folder)} cannot be written: {why}.") from None
    return folder


def _html(data: bytes) -> str:
    """Return the HTML of a message with its images in it, as a browser shows it."""
    from email import message_from_bytes
    from email.policy import default

    whole = message_from_bytes(data, policy=default)
    page = ""
    for part in whole.walk():
        if part.get_content_type() == "text/html" and not page:
            page = part.get_content()
    for part in whole.walk():
        content = part.get_payload(decode=True)
        if (cid := part.get("Content-ID")) and isinstance(content, bytes):
            image = base64.b64encode(content).decode()
            shown = f"data:{part.get_content_type()};base64,{image}"
            page = page.replace(f"cid:{cid.strip().strip('<>')}", shown)
    return str(page)
