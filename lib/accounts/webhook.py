"""A webhook of the configuration: what a step's argument ``webhook`` is filled with."""

from __future__ import annotations

from accounts.config import PackConfig
from accounts.http_account import HttpAccount


class Webhook(HttpAccount):
    """One webhook and the one session to it; ``webhook_api`` tells it things."""

    account_kind = "webhook"
    system = "webhook"

    @property
    def secret(self) -> str | None:
        """What deliveries are signed with, if they are."""
        return self.config.webhook(self.name).secret

    @classmethod
    def from_config(cls, config: PackConfig, name: str | None) -> Webhook:
        """Return the webhook that the configuration calls ``name``.

        Raises NotFound, or UserError if the entry cannot be right.
        """
        entry = config.webhook(name)
        return cls(entry, config, token=entry.token)
