"""A cloud whose owners get mail: plain rows of servers, users and projects, and a mail server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from engine.dispatch import dispatch
from support.audit_cloud import AuditCloud
from support.fake_cloud_estate import Json
from support.fake_cloud_http import Answer, Request
from support.runs import folder, new_state
from support.smtp_server import SmtpServer

OPERATORS = "ops@example.org"
LONG_AGO, LATELY = "2020-01-02T03:04:05Z", "2999-01-01T00:00:00Z"


def server(name: str, user: str | None = "ann", project: str = "shop", **more: Any) -> Json:
    """Return a server that has been shut off for long; users and projects have their name as id."""
    return {
        "id": f"id-{name}",
        "name": name,
        "status": "SHUTOFF",
        "user_id": user,
        "tenant_id": project,
        "created": LONG_AGO,
        "updated": LONG_AGO,
        "metadata": {},
        "tags": [],
        "image": {"id": "image-1"},
        "flavor": {"original_name": "small", "vcpus": 1, "ram": 1, "disk": 1},
        "OS-EXT-SRV-ATTR:host": "cmp-1",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": "cmp-1",
        "os-extended-volumes:volumes_attached": [],
        **more,
    }


def user(id: str, email: Any = "", **more: Any) -> Json:
    """Return a user at ``<id>@example.org``; ``email`` None leaves the key out."""
    known = {"id": id, "name": id, "domain_id": "domain-1", "enabled": True}
    address = {} if email is None else {"email": email or f"{id}@example.org"}
    return {**known, **address, **more}


def project(id: str, **more: Any) -> Json:
    """Return a project."""
    return {"id": id, "name": id, "domain_id": "domain-1", "enabled": True, "tags": [], **more}


class MailCloud(AuditCloud):
    """The cloud, with a mail server at its door and a state store of its own."""

    def __init__(self, smtp: SmtpServer, state_url: str, **rows: list[Json]) -> None:
        super().__init__(
            **{"user": [user("ann"), user("bob")], "project": [project("shop")], **rows}
        )
        self.smtp, self._state_url = smtp, state_url
        self.route("GET /compute/v2.1/os-hypervisors", self._with_servers)
        self.email: Json = {"operators": OPERATORS, "retry_for": "2s", "max_tries": 4}

    def config(self, **more: Any) -> Json:
        return super().config(
            smtp_accounts=[self.smtp.account()],
            state_url=self._state_url,
            **{"email": self.email, "files": {"allowed": ["/"]}, **more},
        )

    def _with_servers(self, request: Request) -> Answer:
        shown = ((host.id, host.name) for host in self.hypervisors)
        by_host = [str(row["OS-EXT-SRV-ATTR:hypervisor_hostname"]) for row in self.rows["server"]]
        rows = [
            {"id": id, "servers": [{"uuid": f"{name}-{n}"} for n in range(by_host.count(name))]}
            for id, name in shown
        ]
        return Answer({"hypervisors": rows})

    def ask(self, name: str, **parameters: Any) -> tuple[str, Json]:
        """Return how a mail runbook ended, and its result."""
        return dispatch(f"email.{name}", parameters, self.config())

    def apply(self, run: str) -> tuple[str, Json]:
        """Carry out what a dry run has shown."""
        return dispatch("run.apply", {"run": run}, self.config())

    def plan(self, name: str, **parameters: Any) -> Json:
        """Return what a dry run shows; nothing may be sent by it."""
        before = len(self.smtp.accepted)
        kind, result = self.ask(name, dry_run=True, **parameters)
        assert kind == "done", result["summary"]
        assert len(self.smtp.accepted) == before
        return result

    def refusal(self, name: str, **parameters: Any) -> str:
        """Return why a mail runbook is refused; nothing may be sent by it."""
        before = len(self.smtp.accepted)
        kind, result = self.ask(name, dry_run=False, **parameters)
        assert kind == "refused", result
        assert len(self.smtp.accepted) == before
        return str(result["summary"])

    def send(self, name: str, **parameters: Any) -> dict[str, EmailMessage]:
        """Return the messages that are sent, by recipient: one each."""
        before = len(self.smtp.accepted)
        kind, result = self.ask(name, dry_run=False, **parameters)
        assert kind == "done", (result["summary"], result["failed"])
        new = self.smtp.accepted[before:]
        found = {mail.recipient: read(mail.data) for mail in new}
        assert len(found) == len(new), "somebody got two"
        return found


def read(data: bytes) -> EmailMessage:
    """Return a message as a mail program reads it."""
    return cast(EmailMessage, message_from_bytes(data, policy=default))


def told(message: EmailMessage) -> str:
    """Return its plain text."""
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def left(result: Mapping[str, Any]) -> dict[str, str]:
    """Return who is left out of a plan, and why."""
    return {entry["what"]: entry["why"] for entry in result["left"]}


@contextmanager
def mail_cloud(**rows: list[Json]) -> Iterator[MailCloud]:
    """Run a cloud and a mail server."""
    place = folder()
    try:
        with (
            SmtpServer(security="none") as smtp,
            MailCloud(smtp, new_state(place / "state.db"), **rows) as cloud,
        ):
            yield cast(MailCloud, cloud)
    finally:
        shutil.rmtree(place)
