"""All the monitoring systems in which something is kept quiet: several accounts of one kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from accounts.alertmanager import Alertmanager
from accounts.config import PackConfig
from accounts.icinga import Icinga

EVERY = "*"


class Icingas(tuple[Icinga, ...]):
    """The Icingas that a list names, each once; there may be none."""

    account_kind = "icinga"
    each = Icinga

    @property
    def name(self) -> str:
        """The names as :meth:`chosen` reads them."""
        return ",".join(one.name for one in self)

    @staticmethod
    def chosen(config: PackConfig, given: str | Sequence[str] | None) -> list[str]:
        """Return the names of those that are meant: ``*`` is every one, nothing those in which
        hypervisors are kept quiet.

        Raises NotFound with near names.
        """
        return _chosen(config.icingas, given, config.monitoring.icingas, config.icinga)


class Alertmanagers(tuple[Alertmanager, ...]):
    """The Alertmanagers that a list names, each once; there may be none."""

    account_kind = "alertmanager"
    each = Alertmanager

    @property
    def name(self) -> str:
        """The names as :meth:`chosen` reads them."""
        return ",".join(one.name for one in self)

    @staticmethod
    def chosen(config: PackConfig, given: str | Sequence[str] | None) -> list[str]:
        """Return the names of those that are meant, as :meth:`Icingas.chosen`."""
        usual = config.monitoring.alertmanagers
        return _chosen(config.alertmanagers, given, usual, config.alertmanager)


def _chosen(
    known: Sequence[Any],
    given: str | Sequence[str] | None,
    usual: list[str] | None,
    entry: Callable[[str | None], Any],
) -> list[str]:
    words = given.split(",") if isinstance(given, str) else given or ()
    names = [word.strip() for word in words if word.strip()] or usual
    if names is None or EVERY in names:
        return [one.name for one in known]
    return list(dict.fromkeys(entry(name).name for name in names))
