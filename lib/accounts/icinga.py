"""An Icinga of the configuration: what a parameter ``icinga`` is filled with."""

from __future__ import annotations

from accounts.config import PackConfig
from accounts.http_account import HttpAccount
from common.errors import UserError


class Icinga(HttpAccount):
    """One Icinga and the one session to its API; ``icinga_api`` asks it."""

    account_kind = "icinga"
    system = "Icinga"

    @classmethod
    def from_config(cls, config: PackConfig, name: str | None) -> Icinga:
        """Return the Icinga that the configuration calls ``name``, or its default one.

        Raises NotFound, or UserError if the entry cannot be right.
        """
        entry = config.icinga(name)
        if not (entry.user or entry.cert):
            raise UserError(
                f"Icinga {entry.name!r}: it has neither a user and password nor a cert.",
                advice="Name an ApiUser of Icinga and its password, or a client certificate in "
                "cert and key.",
            )
        return cls(entry, config)
