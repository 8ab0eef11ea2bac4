"""What the Icinga of a devcloud watches: a rack and the computes in it, with a service each.

Nothing is really checked: a host or service is as the seed, a test or a demonstration says.
"""

import base64
import http.client
import ssl
from typing import Any
from urllib.parse import quote

from devcloud.icinga import NODE, certificates
from devcloud.rest import Refused, exchange
from devcloud.settings import Settings, existing

RACK = "rack-1"
SERVICE = "nova-compute"
STATES = {"UP": 0, "DOWN": 1, "OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 3}
_PASSIVE = {"check_command": "dummy", "enable_active_checks": False}


class Monitor:
    """The administrator of the Icinga of a devcloud."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or existing()
        both = f"admin:{self._settings.passwords['admin']}"
        self._login = {"Authorization": f"Basic {base64.b64encode(both.encode()).decode()}"}
        self._tls = ssl.create_default_context(cafile=certificates(self._settings) / "ca.crt")

    def request(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The JSON with which the API answers; raises Refused with its status."""
        connection = http.client.HTTPSConnection(
            NODE, self._settings.ports["icinga"], timeout=60, context=self._tls
        )
        sent = self._login | headers
        return exchange(connection, method, "icinga", f"/v1{path}", body, sent)[0]

    def objects(self, kind: str, **body: object) -> list[dict[str, Any]]:
        """The attributes of all objects of a kind (in the plural), or of those of a filter."""
        override = {"X-HTTP-Method-Override": "GET"}
        found = self.request("POST", f"/objects/{kind}", body, **override)["results"]
        return [{**one["attrs"], "__name": one["name"]} for one in found]

    def have_host(self, host: str, parent: str | None = None) -> bool:
        """Have a host with its service, up, below a parent; answers whether it was made."""
        new = self._have("hosts", host, {**_PASSIVE, "vars": {"devcloud": True}})
        service = f"{host}!{SERVICE}"
        new = self._have("services", service, _PASSIVE) or new
        if parent:
            relation = {"parent_host_name": parent, "child_host_name": host}
            new = self._have("dependencies", f"{host}!on-{parent}", relation) or new
        if new:
            self.set_state(host, "UP")
            self.set_state(service, "OK")
        return new

    def set_state(self, name: str, state: str) -> None:
        """Say how a host (`cmp-1`) or a service (`cmp-1!nova-compute`) is from now on."""
        kind = "service" if "!" in name else "host"
        check = {"exit_status": STATES[state], "plugin_output": f"{state} says devcloud"}
        for _ in range(3):  # a state is a hard one when it was seen so often
            self.request("POST", "/actions/process-check-result", {kind: name, **check})

    def remove_host(self, host: str) -> None:
        """Delete a host with its services, downtimes and relations."""
        self._gone("DELETE", f"/objects/hosts/{quote(host, safe='')}?cascade=1")

    def reset(self) -> None:
        """End every downtime and acknowledgement, and have everything up."""
        if downtimes := [one["__name"] for one in self.objects("downtimes", attrs=["name"])]:
            self._gone("POST", "/actions/remove-downtime", {"downtimes": downtimes})
        for kind, state in (("hosts", "UP"), ("services", "OK")):
            for one in self.objects(kind, attrs=["name"]):
                self.request(
                    "POST", "/actions/remove-acknowledgement", {kind.rstrip("s"): one["__name"]}
                )
                self.set_state(one["__name"], state)

    def _have(self, kind: str, name: str, attributes: dict[str, object]) -> bool:
        path = f"/objects/{kind}/{quote(name, safe='')}"
        try:
            self.request("GET", path)
        except Refused as error:
            if error.status != 404:
                raise
            self.request("PUT", path, {"attrs": attributes})
            return True
        return False

    def _gone(self, method: str, path: str, body: object = None) -> None:
        try:
            self.request(method, path, body)
        except Refused as error:
            if error.status != 404:
                raise
