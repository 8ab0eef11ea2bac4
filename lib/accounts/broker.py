"""A message broker of the configuration: where a cloud's services send their notifications."""

from __future__ import annotations

from accounts.broker_config import BrokerEntry
from accounts.config import PackConfig
from accounts.credential_files import check_readable
from common.errors import UserError

_PORTS = {"none": 5672, "tls": 5671}


class Broker:
    """Where a broker is and as whom it is read. It opens nothing: ``notification_api`` does.

    ``cloud`` is the name of the cloud whose services send there.
    """

    def __init__(self, entry: BrokerEntry, cloud: str) -> None:
        self.entry, self.cloud, self.name = entry, cloud, entry.name

    def __repr__(self) -> str:
        return f"<Broker {self.name}>"

    @property
    def who(self) -> str:
        """The broker and its name in the configuration, for a sentence."""
        return f"Broker {self.name}"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The host and port of each of its nodes."""
        return [_address(one, _PORTS[self.entry.security]) for one in self.entry.hosts]


def brokers(config: PackConfig) -> list[Broker]:
    """Return every broker of the configuration.

    Raises NotFound for a cloud that is not configured, or UserError if an entry cannot be right.
    """
    return [_checked(config, entry) for entry in config.brokers]


def _checked(config: PackConfig, entry: BrokerEntry) -> Broker:
    where = f"Broker {entry.name!r}"
    if not entry.password:
        raise UserError(
            f"{where}: user {entry.user!r} has no password.",
            advice="A key of the datastore that does not exist is read as nothing: see "
            "st2 key list --scope system.",
        )
    if entry.security == "none" and (entry.cacert or entry.cert or entry.key):
        raise UserError(
            f"{where}: with security none no certificate is asked for or shown.",
            advice="Set security to tls, or leave cacert, cert and key out.",
        )
    if entry.key and not entry.cert:
        raise UserError(f"{where}: it has a key but no cert.")
    check_readable({"cacert": entry.cacert, "cert": entry.cert, "key": entry.key}, where)
    return Broker(entry, config.cloud(entry.cloud).name)


def _address(text: str, port: int) -> tuple[str, int]:
    host, colon, own = text.rpartition(":")
    if colon and not text.endswith("]"):
        return host.strip("[]"), int(own)
    return text.strip("[]"), port
