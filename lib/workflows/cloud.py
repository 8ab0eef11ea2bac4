"""Runbooks about a cloud as a whole: check."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from accounts.cloud import Cloud
from health.bytecode import command, compiled_anew
from health.checks import BAD, OK, OPEN, WARN, Check, table
from openstack_api import rights
from query_api.lookups import compute, placement
from workflow_api import CloudError, Context, RunbookError, Table, clean, workflow

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


@workflow("cloud.check")
def check(ctx: Context, cloud: Cloud) -> Table:
    """Check a cloud's login, services, clock and rights, the state store and monitoring."""
    checks = [*_login(cloud), *_store(ctx), _bytecode(), *_monitoring(ctx, cloud)]
    return table(checks, f"cloud {cloud.name}", f"Cloud {cloud.name}")


def _login(cloud: Cloud) -> Iterator[Check]:
    """Log in; if that works, look at everything that needs a token."""
    before = time.time()
    try:
        access = cloud.access()
        after = time.time()
    except RunbookError as error:
        yield Check("login", BAD, error.message, error.advice)
        return
    if access is None:
        detail = f"auth_type {cloud.reach.auth_type} logs in nowhere and has no catalogue"
        yield Check("login", WARN, detail, "Its services need addresses in endpoint_override.")
    else:
        yield Check("login", OK, _who(access))
        yield _clock(_issued(access), before, after)
    yield from _entry(cloud)
    try:
        yield Check("region", OK, clean(cloud.region or "the catalogue names none"))
    except RunbookError as error:
        yield Check("region", BAD, error.message, error.advice)
        return
    for service in _SERVICES:
        yield _service(cloud, service)
    for name, ask in _RIGHTS.items():
        yield _right(cloud, name, ask)
    yield Check(
        "right to migrate servers",
        OPEN,
        "Nova asks its policy only for a server that exists",
        "A first server.migrate of an unimportant server shows it.",
    )


def _who(access: Any) -> str:
    scope = f"project {access.project_name}" if access.project_name else "no project"
    if access.domain_scoped:
        scope = f"domain {access.domain_name or access.domain_id}"
    if access.system_scoped:
        scope = "the system"
    roles = ", ".join(sorted(access.role_names or [])) or "none"
    user = access.username or f"user {access.user_id}"
    return clean(f"{user} on {scope}, roles {roles}")


def _entry(cloud: Cloud) -> Iterator[Check]:
    """Name the keys of clouds.yaml that are neither obeyed nor refused."""
    if cloud.entry.clouds_yaml:
        unused = ", ".join(map(clean, cloud.reach.unused))
        detail = f"without a meaning for this pack: {unused}" if unused else "every key is obeyed"
        yield Check("clouds.yaml", OK, detail)


def _issued(access: Any) -> float | None:
    """Return when the cloud says that it issued the token; None if it says no time."""
    try:
        return float(access.issued.timestamp())
    except (KeyError, ValueError, OverflowError):
        return None


def _clock(issued: float | None, before: float, after: float) -> Check:
    """Compare the moment the cloud says it issued the token with the time of asking, here."""
    if issued is None:
        return Check("clock", OPEN, "the login does not say when it was issued")
    skew = issued - min(max(issued, before), after)
    detail = f"the cloud's clock is {skew:+.1f} s from this one"
    if abs(skew) > _SKEW:
        return Check("clock", BAD, detail, "Let both sides follow the same NTP servers.")
    return Check("clock", OK, detail)


def _service(cloud: Cloud, service: str) -> Check:
    name, needs = f"service {service}", _SERVICES[service]
    try:
        data = cloud.endpoint(service)
        if data is None:
            result = BAD if service in _NEEDED else OPEN
            return Check(name, result, "not in the catalogue", "Check region_name and interface.")
        if data.status is None:
            # keystoneauth makes nothing of a service that does not tell its versions, or is down.
            with cloud.errors(f"asking {service}"):
                cloud.session.get(data.url, authenticated=False)
    except CloudError as error:
        if error.status is None or error.status >= 500:
            return Check(name, BAD, error.message, error.advice)
    except RunbookError as error:
        return Check(name, BAD, error.message, error.advice)
    assert data is not None
    top = ".".join(map(str, data.max_microversion or ()))
    detail = clean(f"{data.url}, {f'microversions to {top}' if top else 'no microversions'}")
    if needs and not cloud.supports(service, needs):
        return Check(name, BAD, detail, f"{needs} is needed.")
    return Check(name, OK, detail)


def _right(cloud: Cloud, name: str, ask: Callable[[Cloud], object]) -> Check:
    try:
        ask(cloud)
    except CloudError as error:
        if error.status == 403:
            return Check(name, BAD, "refused by the cloud's policy (403)", _ROLE)
        return Check(name, OPEN, error.message, error.advice)
    except RunbookError as error:
        return Check(name, OPEN, error.message, error.advice)
    return Check(name, OK, "the cloud's own answer")


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
    "right to list projects": lambda cloud: cloud.get("identity", "/projects"),
    "right to ask placement": lambda cloud: placement.room(
        cloud, [placement.Demand("check", _ONE)]
    ),
    "right to enable and disable compute services": rights.may_change_services,
}


def _store(ctx: Context) -> Iterator[Check]:
    from state.place import look_at

    for finding in look_at(ctx.config.state_url):
        result = {True: OK, False: BAD, None: WARN}[finding.ok]
        yield Check(finding.name, result, finding.detail, finding.advice)
    try:
        ctx.open_journal().recent(limit=1)
    except RunbookError as error:
        yield Check("state store", BAD, error.message, error.advice)
    else:
        yield Check("state store", OK, "opened, and its schema is this version's")


def _bytecode() -> Check:
    name, why = "compiled library", compiled_anew()
    if why is None:
        return Check(name, OK, "Python keeps what it compiles")
    detail = f"compiled again at every start, which takes about 0.1 s: {why}"
    return Check(name, WARN, detail, f"As a user who may write there: {command()}")


def _monitoring(ctx: Context, cloud: Cloud) -> Iterator[Check]:
    if not ctx.config.alertmanagers and not ctx.config.icingas:
        return
    from health.monitoring import alertmanagers, icingas

    yield from alertmanagers(ctx.config, lambda seconds: cloud.wait(seconds))
    yield from icingas(ctx.config, lambda seconds: cloud.wait(seconds))
