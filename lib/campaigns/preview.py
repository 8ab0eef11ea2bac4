"""What an operator sees of a campaign before it goes out: a line, and files, for each message."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from common.files import Folder, Places, check_absolute
from workflow_api import Plan, clean, count, listed

if TYPE_CHECKING:
    from campaigns.composition import Message

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
    plan: Plan, places: Places, place: str | None, key: str, messages: Sequence[tuple[str, Message]]
) -> None:
    """Write a campaign's messages to where they are wanted to be seen, and say so in the plan."""
    if place:
        folder = write_preview(places, place, key, messages)
        plan.note(f"{count(len(messages), 'mail')} to look at: {folder}")


def write_preview(
    places: Places, place: str, key: str, messages: Sequence[tuple[str, Message]]
) -> str:
    """Write an ``.eml`` and an ``.html`` a message into a folder of the campaign; return it.

    Only who runs this can read them. What an earlier preview of the campaign left there goes.
    Raises UserError.
    """
    check_absolute("preview_dir", place)
    path = f"{place}/{_ODD.sub('_', key)}"
    with places.folder("preview_dir", path, make=True) as folder:
        _refuse_another_s(folder)
        for old in os.listdir(folder.file):
            os.unlink(old, dir_fd=folder.file)
        for number, (recipient, message) in enumerate(messages, 1):
            name = f"{number:04}-{_ODD.sub('_', recipient)[:100]}"
            folder.write(f"{name}.eml", message.envelope.data, 0o600)
            page = _html(message.envelope.data).encode("utf-8", "replace")
            folder.write(f"{name}.html", page, 0o600)
        return folder.path


def _refuse_another_s(folder: Folder) -> None:
    """Raise UserError for a folder that is not ours alone, to be emptied and closed to others."""
    if os.fstat(folder.file).st_uid != os.geteuid():
        folder.refuse("", "it is another user's", "Name another folder.")
    if more := [name for name in os.listdir(folder.file) if not _OURS.fullmatch(name)]:
        said = f"it holds what is no preview: {listed(sorted(map(clean, more)))}"
        folder.refuse("", said, "Name another folder.")
    os.fchmod(folder.file, 0o700)  # of an earlier day; no link has led here


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
