"""Of every mail runbook: what its example is about on devcloud, so that somebody is to be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from examples import example
from support.cloud_operator import Operator
from support.cloud_site import Site
from support.smtp_faults import Fault
from support.smtp_server import SmtpServer


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
        assert (
            self.operator.run("email.list_notice", **example("email.list_notice")).kind == "failed"
        )
        self.server.fault()


def _report(post: Post) -> dict[str, Any]:
    post.site.disable(post.site.source, "new memory")
    return {}


def _notice(post: Post) -> dict[str, Any]:
    return {"hypervisor": post.host_of("web-1")}


def _resume(post: Post) -> dict[str, Any]:
    post.failed(Fault("mail", reply="550 5.7.1 not you"))
    return {"campaign": example("email.list_notice")["campaign"]}


def _retry(post: Post) -> dict[str, Any]:
    post.failed(Fault("rcpt", reply="550 5.1.1 unknown"))
    return {"campaign": example("email.list_notice")["campaign"]}


def _as_it_is(post: Post) -> dict[str, Any]:
    return {}


Example = Callable[[Post], dict[str, Any]]
MAIL_EXAMPLES: dict[str, Example] = {
    "email.campaign.resume": _resume,
    "email.campaign.retry_failed": _retry,
    "email.errored_servers": lambda post: {"older_than": "1s"},
    "email.hypervisor_notice": _notice,
    "email.hypervisor_report": _report,
    "email.list_notice": _as_it_is,
    "email.query": _as_it_is,
    "email.retiring_flavor": _as_it_is,
    "email.retiring_image": _as_it_is,
    "email.shutoff_servers": lambda post: {"older_than": "1s"},
    "email.test": _as_it_is,
}
