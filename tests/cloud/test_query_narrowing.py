"""What a service is asked for less never changes an answer: each filter of each table is tried on
a real cloud, beside the same question with everything read and judged here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import yaml
from openstack.connection import Connection

from accounts.cloud import Cloud
from accounts.config import load
from common.errors import CloudError, UserError
from devcloud.settings import Settings
from query_api.execution.query import Query, query
from query_api.language.conditions import Condition, Test, not_, test
from query_api.language.schema import Filter, Listing, Resource
from query_api.resources import names, resource
from query_api.wire import reader
from support.awkward_resources import NAMES, awkward_resources
from support.narrow_values import values
from support.sampling import sampled

# Others may change the cloud meanwhile: what differs is asked again.
TRIES = 3


def filters() -> Iterator[tuple[str, str, str]]:
    """Every filter of every table: the resource, the property, the operator; also what it needs."""
    for name in names():
        for prop in resource(name).properties:
            operators = list(prop.filters)
            if resource(name).needs.get(prop.name):
                operators = ["equal_to"]
            if "equal_to" in operators and "any_in" not in operators:
                operators.append("any_in")
            yield from ((name, prop.name, operator) for operator in operators)


class Listings:
    """Stands before a reader: keeps what was asked, and answers again what was not to change."""

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask
        self._known: dict[Any, Any] = {}
        self.known_only = False
        self.asked: list[tuple[str, Mapping[str, Any]]] = []

    def one(self, cloud: Cloud, service: str, path: str, shape: Any, **how: Any) -> Any:
        params = how.get("params") or {}
        self.asked.append((path, params))
        if not self.known_only:
            return self._ask(cloud, service, path, shape, **how)
        key = (service, path, str(sorted(params.items())), how.get("microversion"), shape)
        if key not in self._known:
            self._known[key] = self._ask(cloud, service, path, shape, **how)
        return self._known[key]

    def forget(self) -> None:
        self._known.clear()


@pytest.fixture(scope="module")
def cloud(devcloud: Settings, sdk: Connection) -> Iterator[Cloud]:
    """The cloud as an administrator asks it, with odd things in it."""
    config = yaml.safe_load((devcloud.state / "openstack_ops.yaml").read_text())
    with awkward_resources(sdk):
        yield Cloud.from_config(load(config), None)


@pytest.fixture(scope="module")
def listings() -> Iterator[Listings]:
    with pytest.MonkeyPatch.context() as patch:
        listings = Listings(reader.one)
        patch.setattr(reader, "one", listings.one)
        yield listings


def rows(asked: Query, cloud: Cloud) -> list[str]:
    answer = asked.run([cloud])
    assert answer.complete, answer.reasons
    return sorted(map(repr, answer.rows))


def columns(of: Resource) -> list[str]:
    """What tells rows apart, and does not change by itself."""
    return [of.key] if of.key else list(of.default)


def locally(asked: Query, condition: Condition, cloud: Cloud, listings: Listings) -> list[str]:
    """Return the rows of a question of which the service is told nothing."""
    listings.known_only = True
    try:
        # Also what a resource needs is told to the service only by a condition that stands alone.
        answer = asked.where(not_(not_(condition))).run([cloud], narrow=False)
    finally:
        listings.known_only = False
    assert answer.complete, answer.reasons
    return sorted(map(repr, answer.rows))


def differs(of: Resource, condition: Test, cloud: Cloud, listings: Listings) -> str:
    """Return how an answer differs if the service is asked for less; nothing if it does not."""
    asked = query(of.name).select(*columns(of))
    narrow: list[str] = []
    whole: list[str] = []
    for _ in range(TRIES):
        narrow = rows(asked.where(condition), cloud)
        whole = locally(asked, condition, cloud, listings)
        if narrow == whole:
            return ""
        listings.forget()
    lacking, more = set(whole) - set(narrow), set(narrow) - set(whole)
    return f"{condition}: lacks {lacking or 'nothing'}, has {more or 'nothing'} more"


# Every day a third of them is tried, and all with ``make test-cloud-long``.
FILTERS = list(filters())


@pytest.mark.parametrize(("name", "path", "operator"), sampled(FILTERS, len(FILTERS) // 3))
def test_a_filter_finds_what_is_there(
    name: str, path: str, operator: str, cloud: Cloud, listings: Listings
) -> None:
    of = resource(name)
    prop = of.property(path)
    assert prop is not None
    filter_ = prop.filters.get(operator) or prop.filters.get("equal_to") or Filter(param="")
    listings.known_only = True
    there = query(name).select(path).run([cloud], narrow=False).column(path)
    listings.known_only = False
    is_path = any(f"{{{path}}}" in one.path for one in of.listings)
    wrong: list[str] = []
    fired = False
    turn = sum(map(ord, name + path + operator))
    for given in values(prop, operator, bool(filter_.many), there, turn):
        condition = test(path, operator, *given)
        assert isinstance(condition, Test)
        if not fits(name, condition):
            continue
        listings.asked.clear()
        try:
            if is_path and not set(given) <= set(there):
                # What is a part of a path has to be there: where one service answers of what is
                # not and another refuses, the answer says what was refused.
                refused = query(name).select(path).where(condition).run([cloud])
                if set(refused.column(path)) != set(given) & set(there) and refused.complete:
                    wrong.append(f"{condition}: {refused.rows}")
            elif how := differs(of, condition, cloud, listings):
                wrong.append(how)
        except CloudError as error:
            if not is_path or set(given) <= set(there) or error.status not in {400, 404}:
                wrong.append(f"{condition}: {error}")
        fired = fired or any(is_narrowed(of, filter_.param, *asked) for asked in listings.asked)
    assert not wrong, "\n".join(wrong)
    assert fired or path in of.needs, f"nothing was ever asked for by {filter_.param}"


def is_narrowed(of: Resource, param: str, path: str, params: Mapping[str, Any]) -> bool:
    """Return whether a request is a listing's that is narrowed by a parameter of ours."""
    usual = [one.params.get(param) for one in of.listings if one.path == path]
    return bool(usual) and params.get(param) not in usual


def fits(name: str, condition: Test) -> bool:
    try:
        query(name).where(condition).explain()
    except UserError:
        return False
    return True


# -- what the tables say of where values stand ---------------------------------------------------

#: What may have no value on devcloud, by why.
WITHOUT = {
    "nothing is under way or broken": (
        "server.task_state server.terminated_at server.fault server.fault_at "
        "availability_zone.hosts_down volume.migration_status"
    ),
    "all services are enabled": (
        "compute_service.disabled_reason hypervisor.disabled_reason volume_service.disabled_reason"
    ),
    "nobody has said so": (
        "aggregate.availability_zone aggregate.updated_at server_group.rules domain.tags "
        "user.password_expires_at user.options router.routes volume_type.qos_specs_id"
    ),
    "its hosts have no parts and no dedicated CPUs": "resource_provider.parent_id allocation.pcpus",
    "its Neutron is without QoS, DNS, address groups, subnet pools and zones": (
        "network.qos_policy_id port.qos_policy_id floating_ip.qos_policy_id network.dns_domain "
        "port.dns_name floating_ip.dns_name floating_ip.dns_domain subnet.subnetpool_id "
        "security_group_rule.remote_address_group_id network.availability_zones"
    ),
    "its agents do not say it": "network_agent.resources_synced network_agent.description",
    "its backend is not replicated": "volume.replication_status volume_service.active_backend_id",
}


@pytest.mark.parametrize("name", names())
def test_the_usual_columns_and_all_others_are_read(name: str, cloud: Cloud) -> None:
    of, asked = resource(name), query(name)
    if name == "server_action":
        odd = query("server").select("id").where("name", "equal_to", NAMES[0])
        asked = asked.where("server_id", "any_in", *odd.run([cloud]).column("id"))
    usual = asked.run([cloud])
    assert usual.complete
    assert usual.rows
    # Behind the usual ones stand the ids of what is shown by its name.
    assert [column.name for column in usual.columns] == [*of.default, *usual.extra]
    everything = asked.select_all().run([cloud])
    assert everything.complete
    without = {
        f"{name}.{column.name}"
        for column in everything.columns
        if all(value in (None, [], {}) for value in everything.column(column.name))
    }
    # Or the place that the table says is not where the service has it.
    assert without <= set(" ".join(WITHOUT.values()).split())


def test_from_its_end_a_listing_comes_in_the_opposite_order(cloud: Cloud) -> None:
    """What reading from both ends stands on, also among what was made within one second."""
    read_backwards = [one for name in names() for one in resource(name).listings if one.backwards]
    assert read_backwards
    for listing in read_backwards:
        orders = [
            _ids(cloud, listing, {**params, "limit": limit})
            for params in ({}, listing.backwards)
            for limit in (None, 1000)
        ]
        assert len(orders[0]) > 20
        assert orders[0] == orders[1] == orders[2][::-1] == orders[3][::-1]


def _ids(cloud: Cloud, listing: Listing, more: Mapping[str, Any]) -> list[str]:
    assert listing.brief
    answer = cloud.get(
        listing.service,
        listing.brief,
        params={**listing.params, **more},
        microversion=listing.microversion,
    )
    return [row["id"] for row in json.loads(answer)[listing.collection]]
