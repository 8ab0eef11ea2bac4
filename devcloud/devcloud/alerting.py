"""What fires in the Alertmanager of a devcloud: whatever a seed, a test or a demonstration says."""

import http.client
import ssl
from datetime import datetime, timedelta, timezone
from typing import Any

from devcloud.icinga import CLIENT, NODE, certificates
from devcloud.rest import exchange
from devcloud.settings import Settings, existing

WATCHDOG = {"alertname": "Watchdog", "severity": "none"}
"""An alert that always fires, as those of most sites do: whoever misses it is not told anything."""

_LONG = timedelta(days=365)


class Alerting:
    """Somebody who tells the Alertmanager of a devcloud what fires, as Prometheus does."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or existing()
        folder = certificates(self._settings)
        self._tls = ssl.create_default_context(cafile=folder / "ca.crt")
        self._tls.load_cert_chain(folder / f"{CLIENT}.crt", folder / f"{CLIENT}.key")

    def request(self, method: str, path: str, body: object = None) -> Any:
        """The JSON with which the API answers; raises Refused with its status."""
        connection = http.client.HTTPSConnection(
            NODE, self._settings.ports["alertmanager"], timeout=60, context=self._tls
        )
        return exchange(connection, method, "alertmanager", f"/api/v2{path}", body, {})[0]

    def fires(self, **labels: str) -> bool:
        """Whether an alert of exactly these labels fires."""
        return any(alert["labels"] == labels for alert in self.request("GET", "/alerts"))

    def fire(self, **labels: str) -> None:
        """Let an alert fire, for a year."""
        self._tell(labels, datetime.now(timezone.utc) + _LONG)

    def resolve(self, **labels: str) -> None:
        """Let an alert fire no more."""
        self._tell(labels, datetime.now(timezone.utc))

    def silences(self) -> list[dict[str, Any]]:
        """All silences, those that have ended too, as the API tells them."""
        found: list[dict[str, Any]] = self.request("GET", "/silences")
        return found

    def reset(self) -> None:
        """End every silence, and every alert but the one that always fires."""
        for silence in self.silences():
            if silence["status"]["state"] != "expired":
                self.request("DELETE", f"/silence/{silence['id']}")
        for alert in self.request("GET", "/alerts"):
            if alert["labels"] != WATCHDOG:
                self.resolve(**alert["labels"])

    def _tell(self, labels: dict[str, str], ends: datetime) -> None:
        self.request("POST", "/alerts", [{"labels": labels, "endsAt": ends.isoformat()}])
