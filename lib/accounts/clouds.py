"""Several clouds that one question is asked of."""

from __future__ import annotations

from collections.abc import Sequence

from accounts.cloud import Cloud
from accounts.config import PackConfig

EVERY = "*"


class Clouds(tuple[Cloud, ...]):
    """The clouds that a list names, each once, in the order of the list.

    Each is the one object that this call has of that cloud, so there is one login for it.
    """

    account_kind = "cloud"
    # The kind of account that each name of the list stands for.
    each = Cloud

    @property
    def name(self) -> str:
        """The names as :meth:`chosen` reads them."""
        return ",".join(cloud.name for cloud in self)

    @staticmethod
    def chosen(config: PackConfig, given: str | Sequence[str] | None) -> list[str]:
        """Return the names of the clouds that are meant: ``*`` is every one that is configured,
        nothing the default one.

        Raises NotFound with near names, or UserError if nothing says which cloud is meant.
        """
        words = given.split(",") if isinstance(given, str) else given or ()
        names = [word.strip() for word in words if word.strip()]
        if EVERY in names and config.clouds:
            return [entry.name for entry in config.clouds]
        return list(dict.fromkeys(config.cloud(name).name for name in names or (None,)))
