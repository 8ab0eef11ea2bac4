"""What an operator sees of a campaign before it goes out: a line, and files, for each message."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workflow_api import Plan, UserError, clean, count, listed

if TYPE_CHECKING:
    from workflows.campaign_mail import Message

_OURS = re.compile(r"\d{4,}-.*\.(eml|html)")
_ODD = re.compile(r"[^A-Za-z0-9@.+_-]+")


def show_messages(
    plan: Plan, options: Mapping[str, Any], messages: Sequence[tuple[str, Message]]
) -> None:
    """Say in a plan who gets what in a campaign with these options."""
    if override := options.get("override"):
        plan.note(f"All of it goes to {override} alone, with the real recipient in a banner.")
    elif copies := [*options.get("cc", ()), *options.get("bcc", ())]:
        plan.note(f"A copy of every mail goes to {listed(copies)}.")
    for recipient, message in messages:
        plan.note(f"{recipient}: {message.subject}")


def add_preview(
    plan: Plan, place: str | None, key: str, messages: Sequence[tuple[str, Message]]
) -> None:
    """Write a campaign's messages to where they are wanted to be seen, and say so in the plan."""
    if place:
        folder = write_preview(place, key, messages)
        plan.note(f"{count(len(messages), 'mail')} to look at: {folder}")


def write_preview(place: str, key: str, messages: Sequence[tuple[str, Message]]) -> Path:
    """Write an ``.eml`` and an ``.html`` a message into a folder of the campaign; return it.

    Only who runs this can read them. What an earlier preview of the campaign left there goes.
    Raises UserError.
    """
    folder = Path(place)
    if not folder.is_absolute():
        raise UserError(f"preview_dir must be an absolute path, not {clean(place)!r}.")
    folder = folder / _ODD.sub("_", key)
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)  # one of an earlier day, or of somebody else: that is an error
        for old in folder.iterdir():
            if _OURS.fullmatch(old.name):
                old.unlink()
        for number, (recipient, message) in enumerate(messages, 1):
            name = f"{number:04}-{_ODD.sub('_', recipient)[:100]}"
            _private(folder / f"{name}.eml", message.envelope.data)
            _private(
                folder / f"{name}.html", _html(message.envelope.data).encode("utf-8", "replace")
            )
    except OSError as error:
        why = clean(error.strerror or type(error).__name__)
        raise UserError(f"preview_dir {clean(folder)} cannot be written: {why}.") from None
    return folder


def _private(path: Path, content: bytes) -> None:
    """Write a file that only its owner reads: it tells of people."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)


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
