"""A few requests to the APIs of a devcloud, with the standard library alone."""

import http.client
import json
from typing import Any

from devcloud.errors import DevcloudError
from devcloud.settings import Settings

MICROVERSIONS = {"nova": {"OpenStack-API-Version": "compute 2.53"}}


class Refused(DevcloudError):
    """An API answered with an error."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Admin:
    """The administrator of a devcloud, logged in at the first request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = ""
        self.project_id = ""

    def get(self, api: str, path: str) -> Any:
        return self.request("GET", api, path)

    def request(self, method: str, api: str, path: str, body: object = None) -> Any:
        """The JSON an API answers with, or None if it answers with nothing."""
        if not self._token:
            self._log_in()
        headers = {"X-Auth-Token": self._token, **MICROVERSIONS.get(api, {})}
        return self._send(method, api, path, body, headers)[0]

    def _log_in(self) -> None:
        user = {
            "name": "admin",
            "domain": {"id": "default"},
            "password": self._settings.passwords["admin"],
        }
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": {"project": {"name": "admin", "domain": {"id": "default"}}},
            }
        }
        answer, headers = self._send("POST", "keystone", "/v3/auth/tokens", body, {})
        self._token = headers["X-Subject-Token"]
        self.project_id = answer["token"]["project"]["id"]

    def _send(
        self, method: str, api: str, path: str, body: object, headers: dict[str, str]
    ) -> tuple[Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self._settings.ports[api], timeout=60)
        return exchange(connection, method, api, path, body, headers)


def exchange(
    connection: http.client.HTTPConnection,
    method: str,
    api: str,
    path: str,
    body: object,
    headers: dict[str, str],
) -> tuple[Any, http.client.HTTPMessage]:
    """Send one request; the JSON of the answer, or None if it is empty, and its headers."""
    try:
        connection.request(
            method,
            path,
            json.dumps(body) if body is not None else None,
            {"Content-Type": "application/json", "Accept": "application/json", **headers},
        )
        answer = connection.getresponse()
        text = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise DevcloudError(f"{api} does not answer ({error}): see devcloud/status") from error
    finally:
        connection.close()
    if answer.status >= 400:
        raise Refused(
            f"{method} {path} at {api}: {answer.status} {text.decode(errors='replace')[:300]}",
            answer.status,
        )
    return (json.loads(text) if text else None), answer.headers
