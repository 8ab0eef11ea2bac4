"""Runbooks about a cloud as a whole: check."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from accounts.cloud import Cloud
from openstack_api import rights
from query_api import compute, identity, placement
from workflow_api import CloudError, Context, RunbookError, Table, clean, count, workflow

# Services that the pack asks, and the newest microversion that it cannot do without.
_SERVICES = {
    "identity": "",
    "compute": compute.GROUPS,
    "placement": placement.PLACEMENT,
    "image": "",
    "network": "",
    "block-storage": "",
}
_NEEDED = frozenset({"identity", "compute", "placement"})
# Tokens and leases bear this much; more makes times in reports misleading.
_SKEW = 5.0


@dataclass(frozen=True)
class Check:
    """One row: ``ok`` is None where nobody can tell from here."""

    name: str
    ok: bool | None
    detail: str
    advice: str = ""

    def row(self) -> dict[str, Any]:
        """Return the row of the table."""
        shown = {True: "ok", False: "BAD", None: "not checkable"}[self.ok]
        return {"check": self.name, "result": shown, "detail": self.detail, "advice": self.advice}


@workflow("cloud.check")
def check(ctx: Context, cloud: Cloud) -> Table:
    """Check the login, services, clock and rights of a cloud, and the state store."""
    checks = [*_login(cloud), *_store(ctx)]
    bad = [check for check in checks if check.ok is False]
    told = f"{count(len(bad), 'thing')} to put right" if bad else "nothing to put right"
    wrong = [f"{check.name}: {check.detail.rstrip('.')}. {check.advice}".strip() for check in bad]
    return Table(
        ("check", "result", "detail"),
        [check.row() for check in checks],
        f"Cloud {cloud.name}",
        summary="\n  ".join(
            [f"{count(len(checks), 'check')} of cloud {cloud.name}: {told}", *wrong]
        ),
        good=not bad,
        extra=("advice",),
    )


def _login(cloud: Cloud) -> Iterator[Check]:
    """Log in; if that works, look at everything that needs a token."""
    before = time.time()
    try:
        with cloud.errors("logging in"):
            access = cloud.session.auth.get_access(cloud.session)
    except RunbookError as error:
        yield Check("login", False, error.message, error.advice)
        return
    scope = f"project {access.project_name}" if access.project_name else "no project"
    if getattr(access, "system_scoped", False):
        scope = "the system"
    roles = ", ".join(sorted(access.role_names or []))
    yield Check("login", True, clean(f"{access.username} on {scope}, roles {roles}"))
    yield _clock(access.issued.timestamp(), before, time.time())
    for service in _SERVICES:
        yield _service(cloud, service)
    for name, ask in _RIGHTS.items():
        yield _right(cloud, name, ask)
    yield Check(
        "right to migrate servers",
        None,
        "Nova asks its policy only for a server that exists",
        "A first server.migrate of an unimportant server shows it.",
    )


def _clock(issued: float, before: float, after: float) -> Check:
    """Compare the moment the cloud says it issued the token with the time of asking, here."""
    skew = issued - min(max(issued, before), after)
    good = abs(skew) <= _SKEW
    advice = "" if good else "Let both sides follow the same NTP servers."
    return Check("clock", good, f"the cloud's clock is {skew:+.1f} s from this one", advice)


def _service(cloud: Cloud, service: str) -> Check:
    name, needs = f"service {service}", _SERVICES[service]
    try:
        data = cloud.endpoint(service)
        if data is None:
            bad = False if service in _NEEDED else None
            return Check(name, bad, "not in the catalogue", "Check region_name and interface.")
        if data.api_version is None:
            # keystoneauth makes nothing of a service that does not tell its versions, or is down.
            with cloud.errors(f"asking {service}"):
                cloud.session.get(data.url, authenticated=False)
    except CloudError as error:
        if error.status is None or error.status >= 500:
            return Check(name, False, error.message, error.advice)
    top = ".".join(map(str, data.max_microversion or ())) or "none"
    if needs and not cloud.supports(service, needs):
        return Check(name, False, f"{data.url}, microversions to {top}", f"{needs} is needed.")
    return Check(name, True, f"{data.url}, microversions to {top}")


def _right(cloud: Cloud, name: str, ask: Callable[[Cloud], object]) -> Check:
    try:
        ask(cloud)
    except CloudError as error:
        if error.status == 403:
            return Check(name, False, "refused by the cloud's policy (403)", _ROLE)
        return Check(name, None, error.message, error.advice)
    except RunbookError as error:
        return Check(name, None, error.message, error.advice)
    return Check(name, True, "the cloud's own answer")


_ROLE = "Give the account a role that the service's policy asks for (admin by default)."
_ONE = {"VCPU": 1}
# What runbooks need, each asked for as they ask for it.
_RIGHTS: dict[str, Callable[[Cloud], object]] = {
    "right to list servers of all projects": lambda cloud: compute.servers(
        cloud, name="^openstack-ops-check$"
    ),
    "right to list hypervisors": compute.hypervisors,
    "right to list migrations": lambda cloud: compute.migrations(cloud, limit=1),
    "right to list server groups of all projects": compute.server_groups,
    "right to list aggregates": compute.aggregates,
    "right to list projects": identity.projects,
    "right to ask placement": lambda cloud: placement.room(
        cloud, [placement.Demand("check", _ONE)]
    ),
    "right to enable and disable compute services": rights.may_change_services,
}


def _store(ctx: Context) -> Iterator[Check]:
    from state.place import look_at

    for finding in look_at(ctx.config.state_url):
        yield Check(finding.name, finding.ok, finding.detail, finding.advice)
    try:
        ctx.open_journal().recent(limit=1)
    except RunbookError as error:
        yield Check("state store", False, error.message, error.advice)
    else:
        yield Check("state store", True, "opened, and its schema is this version's")
