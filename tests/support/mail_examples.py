"""Of every mail runbook: how to call it on devcloud so that there is somebody to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.cloud_operator import Operator
from support.cloud_site import Site
from support.smtp_faults import Fault
from support.smtp_server import SmtpServer

_LIST = {"to": "list@example.org", "subject": "News", "text": "One.", "campaign": "proof"}


@dataclass(frozen=True)
class Post:
    """A cloud with its estate, an operator, and the mail server at their door."""

    site: Site
    operator: Operator
    server: SmtpServer

    def host_of(self, name: str) -> str:
        """Return the host that a server of the estate is on."""
        rows = self.site.nova(f"/servers/detail?all_tenants=1&name=^{name}$")["servers"]
        return str(rows[0]["OS-EXT-SRV-ATTR:host"])

    def failed(self, fault: Fault) -> None:
        """Have a campaign whose mail met a fault, which is over now."""
        self.server.fault(fault)
        assert self.operator.run("email.list_notice", **_LIST).kind == "failed"
        self.server.fault()


def _report(post: Post) -> dict[str, Any]:
    post.site.disable(post.site.source, "new memory")
    return {}


def _notice(post: Post) -> dict[str, Any]:
    window = "2999-12-01 22:00 for 4h"
    return {"hypervisor": post.host_of("web-1"), "notice": "maintenance", "window": window}


def _resume(post: Post) -> dict[str, Any]:
    post.failed(Fault("mail", reply="550 5.7.1 not you"))
    return {"campaign": "proof"}


def _retry(post: Post) -> dict[str, Any]:
    post.failed(Fault("rcpt", reply="550 5.1.1 unknown"))
    return {"campaign": "proof"}


Example = Callable[[Post], dict[str, Any]]
MAIL_EXAMPLES: dict[str, Example] = {
    "email.campaign.resume": _resume,
    "email.campaign.retry_failed": _retry,
    "email.errored_servers": lambda post: {"all_projects": True},
    "email.hypervisor_notice": _notice,
    "email.hypervisor_report": _report,
    "email.list_notice": lambda post: _LIST,
    "email.query": lambda post: {
        "resource": "volume",
        "subject": "Your volumes",
        "text": "Do you still need them?",
    },
    "email.retiring_flavor": lambda post: {"flavor": "m1.small", "end_date": "2999-12-31"},
    "email.retiring_image": lambda post: {"image": "debian-12", "end_date": "2999-12-31"},
    "email.shutoff_servers": lambda post: {"all_projects": True, "older_than": "1s"},
    "email.test": lambda post: {"to": "me@example.org"},
}
