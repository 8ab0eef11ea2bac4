"""A connection to a broker: verified, logged in, with heartbeats; or an error that says why not."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any

from accounts.broker import Broker
from common.errors import CloudError
from common.text import clean, shorten

if TYPE_CHECKING:
    from kombu import Connection

#: A broker that says nothing for twice as long is gone, and so are we for the broker.
HEARTBEAT = 20
_LONGEST = 300
_TLS = "Check hosts and security: the port for TLS is usually 5671, the one without 5672."
_CERTIFICATE = (
    "hosts must have the names in the broker's certificate; if the broker has a certificate "
    "authority of its own, name its file in cacert."
)


class BrokerError(CloudError):
    """What keeps a broker from being read; a new connection may go better."""


def connected(broker: Broker) -> Connection:
    """Return a connection to the first node of a broker that takes one.

    Raises BrokerError for what the last one said.
    """
    failed: BrokerError | None = None
    for host, port in broker.addresses:
        try:
            return _connected(broker, host, port)
        except BrokerError as error:
            failed = error
    assert failed is not None  # a broker has one node at least
    raise failed


def explained(broker: Broker, error: BaseException, where: str = "") -> BrokerError:
    """Return the error that says what kombu, or the socket below it, has met.

    ``where`` is the host and port that a connection was not made to; without, it was there before.
    """
    who = f"{broker.who} ({where})" if where else broker.who
    met = _met(error)
    if isinstance(met, ssl.SSLCertVerificationError):
        why = clean(met.verify_message or met).rstrip(".")
        return BrokerError(
            f"{who}: its certificate could not be verified: {why}.",
            advice=f"Nothing was sent: {_CERTIFICATE}",
        )
    if isinstance(met, ssl.SSLError) and not where:
        return BrokerError(f"{who}: the connection was lost.")
    if isinstance(met, ssl.SSLError):
        said = f"TLS did not come about: {clean(met.reason or met)}"
        return BrokerError(f"{who}: {said}.", advice=_TLS)
    if isinstance(met, socket.gaierror):
        return BrokerError(f"{who}: no address was found for its name.", advice="Check hosts.")
    if isinstance(met, TimeoutError):
        said = f"no answer within {broker.entry.timeout}"
        return BrokerError(f"{who}: {said}.", advice=_TLS)
    code = getattr(met, "reply_code", None)
    text = getattr(met, "reply_text", None) or getattr(met, "strerror", None) or met
    told = shorten(clean(text).replace(broker.entry.password or "\0", "***"), _LONGEST)
    advice = _ADVICE.get(code, "") if isinstance(code, int) else ""
    return BrokerError(f"{who}: {told.rstrip('.')}.", advice=advice)


_ADVICE = {
    403: "Check user, password and virtual_host, and the rights of the user (docs/SENSORS.md).",
    530: "Check virtual_host, and the rights of the user in it (docs/SENSORS.md).",
    406: "The queue was made with other limits: delete it, and it is made anew.",
}


def _connected(broker: Broker, host: str, port: int) -> Connection:
    import kombu  # only a broker needs it

    entry = broker.entry
    connection = kombu.Connection(
        hostname=host,
        port=port,
        userid=entry.user,
        password=entry.password,
        virtual_host=entry.virtual_host,
        transport="pyamqp",
        ssl=_tls(broker, host) if entry.security == "tls" else False,
        connect_timeout=float(entry.timeout),
        heartbeat=HEARTBEAT,
        login_method="PLAIN",
        # How the broker's own pages call us.
        transport_options={"client_properties": {"connection_name": "openstack_ops"}},
    )
    try:
        connection.ensure_connection(max_retries=0, reraise_as_library_errors=False)
    except (*connection.connection_errors, *connection.channel_errors, OSError) as error:
        connection.release()
        raise explained(broker, error, f"{host}:{port}") from error
    return connection


def _tls(broker: Broker, host: str) -> dict[str, Any]:
    """Return how amqp makes its context: who is not verified, and is not this host, is refused."""
    entry = broker.entry
    options = {
        "ca_certs": entry.cacert,
        "certfile": entry.cert,
        "keyfile": entry.key,
        "cert_reqs": ssl.CERT_REQUIRED,
        "server_hostname": host,
    }
    return {key: value for key, value in options.items() if value is not None}


def _met(error: BaseException) -> BaseException:
    """Return what lies below the errors that libraries have wrapped it in."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
