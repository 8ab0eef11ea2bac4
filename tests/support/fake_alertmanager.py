"""An Alertmanager in memory that answers as the real ones do: 0.25, or 0.21, which is older."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone
from typing import Any

from support.fake_cloud_http import Answer, Request, Web

Json = dict[str, Any]
_LATEST = "0.25.0"


class FakeAlertmanager(Web):
    """Use it as a context manager; ``silences`` and ``alerts`` are as its API tells them.

    Before 0.22 it knows no ``isEqual``: it leaves it out, and takes no notice of it.
    """

    def __init__(self, version: str = _LATEST) -> None:
        super().__init__()
        self.version = version
        self.silences: dict[str, Json] = {}
        self.alerts: list[Json] = []
        #: What is added to the clock.
        self.later = 0.0
        for pattern, handle in {
            "GET /api/v2/status": self._status,
            "GET /api/v2/silences": self._list,
            "POST /api/v2/silences": self._post,
            "GET /api/v2/silence/([^/]+)": self._show,
            "DELETE /api/v2/silence/([^/]+)": self._delete,
            "GET /api/v2/alerts": self._alerts,
        }.items():
            self.route(pattern, handle)

    def __enter__(self) -> FakeAlertmanager:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def entry(self) -> Json:
        """An entry of ``alertmanagers``."""
        return {"name": "main", "url": self.origin}

    def silence(self, **given: Any) -> Json:
        """Add a silence of somebody's; return it."""
        known = {
            "id": str(uuid.uuid4()),
            "matchers": [{"name": "a", "value": "b", "isRegex": False, "isEqual": True}],
            "startsAt": "2026-01-01T00:00:00.000Z",
            "endsAt": "2099-01-01T00:00:00.000Z",
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "createdBy": "ann",
            "comment": "because",
            **given,
        }
        self.silences[known["id"]] = known
        return known

    def fire(self, *suppressed_by: str, **labels: str) -> None:
        """Let an alert fire."""
        state = "suppressed" if suppressed_by else "active"
        self.alerts.append(
            {
                "labels": labels,
                "annotations": {},
                "startsAt": "2026-01-01T00:00:00.000Z",
                "updatedAt": "2026-01-01T00:00:00.000Z",
                "endsAt": "2099-01-01T00:00:00.000Z",
                "fingerprint": f"{len(self.alerts):016x}",
                "receivers": [{"name": "nobody"}],
                "status": {"state": state, "silencedBy": [*suppressed_by], "inhibitedBy": []},
            }
        )

    def standing(self) -> list[Json]:
        """Return the silences that have not ended."""
        return [known for known in self.silences.values() if self._state(known) != "expired"]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(datetime.now().timestamp() + self.later, timezone.utc)

    def _state(self, known: Json) -> str:
        now = self._now()
        if _moment(known["endsAt"]) <= now:
            return "expired"
        return "pending" if _moment(known["startsAt"]) > now else "active"

    def _told(self, known: Json) -> Json:
        told = {**known, "status": {"state": self._state(known)}}
        if self._is_old:
            left_out = [
                {key: value for key, value in one.items() if key != "isEqual"}
                for one in known["matchers"]
            ]
            told["matchers"] = left_out
        return told

    @property
    def _is_old(self) -> bool:
        return tuple(map(int, self.version.split(".")[:2])) < (0, 22)

    def _status(self, request: Request) -> Answer:
        cluster = {"status": "disabled", "peers": []}
        return Answer({"cluster": cluster, "versionInfo": {"version": self.version}})

    def _list(self, request: Request) -> Answer:
        return Answer([self._told(known) for known in self.silences.values()])

    def _show(self, request: Request) -> Answer:
        known = self.silences.get(request.parts[0])
        return Answer(None, 404) if known is None else Answer(self._told(known))

    def _post(self, request: Request) -> Answer:
        body = dict(request.body or {})
        for needed in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
            if needed not in body:
                return Answer({"code": 602, "message": f"{needed} in body is required"}, 422)
        known = self.silences.get(body.get("id", ""))
        if body.get("id") and known is None:
            return Answer("silence not found", 404)
        now = self._now()
        if _moment(body["endsAt"]) < now:
            return Answer("failed to create silence: end time can't be in the past", 400)
        written = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if _moment(body["startsAt"]) < now and not known:
            body["startsAt"] = written
        if known is None or self._state(known) == "expired":
            body["id"] = str(uuid.uuid4())
        body["updatedAt"] = written
        self.silences[body["id"]] = body
        return Answer({"silenceID": body["id"]})

    def _delete(self, request: Request) -> Answer:
        known = self.silences.get(request.parts[0])
        if known is None:
            return Answer("silence not found", 500)
        if self._state(known) == "expired":
            already = Answer(f"silence {known['id']} already expired", 500)
            return already if self._is_old else Answer(None)
        known["endsAt"] = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return Answer(None)

    def _alerts(self, request: Request) -> Answer:
        silenced = request.query.get("silenced", "true") == "true"
        kept = [one for one in self.alerts if silenced or not one["status"]["silencedBy"]]
        return Answer(kept)


def _moment(text: str) -> datetime:
    # Python 3.10 reads no Z, and fractions of three or six digits.
    return datetime.fromisoformat(re.sub(r"Z\Z", "+00:00", text))
