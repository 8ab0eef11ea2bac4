"""An Alertmanager of the configuration: what a parameter ``alertmanager`` is filled with."""

from __future__ import annotations

from accounts.config import PackConfig
from accounts.http_account import HttpAccount


class Alertmanager(HttpAccount):
    """One Alertmanager and the one session to it; ``alertmanager_api`` asks it."""

    account_kind = "alertmanager"
    system = "Alertmanager"

    @classmethod
    def from_config(cls, config: PackConfig, name: str | None) -> Alertmanager:
        """Return the Alertmanager that the configuration calls ``name``, or its default one.

        Raises NotFound, or UserError if the entry cannot be right.
        """
        entry = config.alertmanager(name)
        return cls(entry, config, token=entry.token)
