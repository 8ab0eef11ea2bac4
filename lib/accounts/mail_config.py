"""The part of the configuration that mail needs: nothing of a site stands in a template."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from accounts.texts import Colour, Domain, Filled, Host, Name
from common.duration import Duration

Positive = Annotated[int, msgspec.Meta(ge=1)]


class SmtpEntry(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One server that takes mail from us, and as whom we send there."""

    name: Name
    host: Host
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    security: Literal["none", "starttls", "tls"] = "starttls"
    cacert: str | None = None
    user: str | None = None
    password: str | None = None
    sender: Filled
    reply_to: str | None = None
    timeout: Duration = Duration(60)
    # RFC 5321 (4.5.3.2.6): who gives up earlier does not know whether it was accepted.
    accept_timeout: Duration = Duration(600)
    messages_per_minute: Positive | None = None
    messages_per_connection: Positive = 1000

    def __repr__(self) -> str:
        return f"<SmtpEntry {self.name}>"  # it holds a password


class Colours(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The colours of the organisation's mails, as ``#rrggbb``."""

    accent: Colour = "#1b5e9e"
    background: Colour = "#eef1f5"


class Organisation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What stands at the top and the end of every mail.

    ``support`` is a mail address or an https address; ``logo`` is the path of an image file,
    which travels inside each mail, or nothing.
    """

    name: str = "Cloud operations"
    support: str = ""
    footer: tuple[str, ...] = ()
    logo: str = ""
    colours: Colours = msgspec.field(default_factory=Colours)


class EmailSettings(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How mail runbooks find their readers, and how much they send."""

    templates: str | None = None
    operators: str | None = None
    # Whom a mail about a server goes to.
    owner: Literal["user", "project_contact", "role"] = "user"
    contact_tag: str = "contact:"
    contact_property: str | None = None
    owner_role: str = "member"
    local_domains: list[Domain] = []
    max_recipients: Positive = 200
    max_message_mib: Positive = 10
    retry_for: Duration = Duration(1800)
    max_tries: Positive = 10
