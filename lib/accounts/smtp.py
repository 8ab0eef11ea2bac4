"""An SMTP account: one entry of the configuration, what a parameter ``smtp`` is filled with."""

from __future__ import annotations

import time
from collections.abc import Callable

from accounts.config import PackConfig
from accounts.mail_config import SmtpEntry
from common.errors import UserError

_PORTS = {"none": 25, "starttls": 587, "tls": 465}


class SmtpAccount:
    """Where mail is handed in and as whom. It opens nothing: ``email_api.transport`` does."""

    account_kind = "smtp"

    def __init__(self, entry: SmtpEntry, config: PackConfig) -> None:
        self.entry, self.config = entry, config
        self.name = entry.name
        #: As :attr:`accounts.cloud.Cloud.wait`.
        self.wait: Callable[[float], None] = time.sleep

    def __repr__(self) -> str:
        return f"<SmtpAccount {self.name}>"

    @classmethod
    def from_config(cls, config: PackConfig, name: str | None) -> SmtpAccount:
        """Return the account that the configuration calls ``name``, or its default one.

        Raises NotFound, or UserError if the entry cannot be right.
        """
        entry = config.smtp(name)
        _check(entry)
        return cls(entry, config)

    @property
    def port(self) -> int:
        """The port of the entry, or the usual one of its security."""
        return self.entry.port or _PORTS[self.entry.security]


def _check(entry: SmtpEntry) -> None:
    where = f"SMTP account {entry.name!r}"
    if entry.user and not entry.password:
        raise UserError(
            f"{where}: user {entry.user!r} has no password.",
            advice="A key of the datastore that does not exist is read as nothing: see "
            "st2 key list --scope system.",
        )
    if entry.password and not entry.user:
        raise UserError(f"{where}: it has a password but no user.")
    if entry.user and entry.security == "none":
        raise UserError(
            f"{where}: without TLS the password would go over the network in clear.",
            advice="Set security to starttls or tls, or leave user and password out.",
        )
