"""Every action with its form as it is, required fields filled in, and with its example."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from examples import example
from support.action_files import NAMES, action
from support.example_servers import example_servers
from support.example_things import place_missing
from support.fake_alertmanager import FakeAlertmanager
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Aggregate, Group, Hypervisor
from support.fake_cloud_tables import Tables
from support.fake_cloud_volume import FakeCinder
from support.fake_icinga import FakeIcinga, Thing
from support.mail_cloud import MailCloud, mail_cloud, project, server, user
from support.runs import new_state
from support.sampling import dealt
from support.smtp_faults import Fault
from support.ssh import SSH_CONFIG
from support.told_events import an_event
from support.verb_stands import BIRTHS, CREATIONS, VERBS, parameters_of, ready

pytestmark = pytest.mark.usefixtures("versions_asked_once")

# Required choices that decide which other fields are needed: each of them is chosen.
EACH_CHOICE = {"notice"}
# They ask for a run in some state, and leave nothing of it to defaults but which step is meant.
OF_A_RUN = {"run.apply", "run.cancel", "run.resume", "run.settle", "run.show"}
POWER_OFF = {"command": ["ipmi-off", "{host}"], "run_on": "bastion"}
ABOUT_A_DEAD_HOST = {"hypervisor.evacuate"}
# Ten minutes after a host was heard of that nobody has heard of since.
HEARD = "2026-01-02T00:10:00.000000"
# They are about what an earlier run has done; test_workflows_hypervisor_powering.py and
# test_workflows_migrate_back.py.
AFTER_A_RUN = {"hypervisor.start_servers", "hypervisor.migrate_back"}
# What needs the people of a cloud, and their mail.
AMONG_PEOPLE = (
    "email.",
    "event.",
    "report.",
    "owner.",
    "audit.",
    "query.",
    "user.",
    "project.",
)
FLAVOR = {"id": "1", "name": "m1.small", "vcpus": 1, "ram": 1024, "disk": 10}
IMAGE = {"id": "image-1", "name": "debian-12", "status": "active", "visibility": "public"}


VERB = {verb.name: verb for verb in VERBS}
CREATED = {row.name for row in CREATIONS}


def example_of(name: str) -> dict[str, Any]:
    """Return the example of an action; of a verb, about the thing of its stand."""
    return parameters_of(VERB[name]) if name in VERB else example(name)


def forms(name: str) -> list[dict[str, Any]]:
    """Return what StackStorm hands over of a form; one for each choice in a required field."""
    parameters = {
        parameter: given
        for parameter, given in action(name)["parameters"].items()
        if "{{" not in str(given.get("default", "")) and parameter != "timeout"
    }
    left_alone = {parameter: given.get("default") for parameter, given in parameters.items()}
    typed = {
        parameter: given["enum"] if parameter in EACH_CHOICE else [example_of(name)[parameter]]
        for parameter, given in parameters.items()
        if given.get("required")
    }
    runner = ("env", "debug", "log_level", "content_version", "workflow")
    own = {parameter: v for parameter, v in left_alone.items() if parameter not in runner}
    return [{**own, **dict(zip(typed, values, strict=True))} for values in product(*typed.values())]


@pytest.fixture(scope="module")
def post() -> Iterator[MailCloud]:
    rows: dict[str, list[Any]] = {
        "server": [server("web-1", status="ERROR", addresses={}), server("web-2")],
        "user": [user("ann")],
        "project": [project("shop")],
        "flavor": [FLAVOR],
        "image": [IMAGE],
    }
    with mail_cloud(**rows) as cloud:
        cloud.hypervisors = [Hypervisor("cmp-1")]
        yield cloud


@pytest.fixture
def house(name: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A cloud with two hypervisors and the examples' servers, which no other action has changed."""
    state = new_state(tmp_path / "state.db")
    dead = {"state": "down"} if name in ABOUT_A_DEAD_HOST else {"heard": HEARD}
    hosts = [Hypervisor("cmp-1", **dead), Hypervisor("cmp-2", heard=HEARD)]
    with FakeCloud(hosts, example_servers()) as cloud:
        cinder = cloud.part(FakeCinder)
        tables = cloud.part(Tables)
        tables.flavors.append(FLAVOR)
        tables.networks.append({"id": "network-1", "name": "operators-net", "project_id": OWNER})
        cloud.images.append(IMAGE)
        cloud.aggregates.append(Aggregate("ssd", ["cmp-1"]))
        cloud.groups.append(Group("web", "soft-anti-affinity", ["web-1", "wiki-1"]))
        place_missing(cloud, example(name))
        if name == "volume.detach_stuck":
            (volume,) = cinder.volumes
            cinder.records.attach(volume, str(uuid.uuid4()))
            volume["status"] = "detaching"
        commands = {**SSH_CONFIG["ssh_commands"], "power_off": POWER_OFF}
        yield {
            **cloud.config(state_url=state),
            **SSH_CONFIG,
            "ssh_commands": commands,
            "evacuation": {"power_off": "power_off", "shared_storage": True},
        }


@pytest.fixture
def stand(name: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A cloud with what a verb is about, or in which a thing can be created."""
    with FakeCloud() as cloud:
        if name in VERB:
            ready(cloud, VERB[name])
        else:
            BIRTHS[name.partition(".")[0]](cloud)
        yield cloud.config(state_url=new_state(tmp_path / "state.db"))


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """An Alertmanager with the silence of the examples."""
    with FakeAlertmanager() as fake:
        fake.silence(id=example("silence.expire")["silence"], endsAt=in_an_hour())
        state = new_state(tmp_path / "state.db")
        yield {"alertmanagers": [fake.entry], "state_url": state}


@pytest.fixture
def icinga(house: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A cloud and an Icinga that watches the hypervisors of the examples."""
    with FakeIcinga([Thing("cmp-1"), Thing("cmp-1", "nova"), Thing("cmp-2", state=1)]) as fake:
        yield {**house, "icingas": [fake.entry()]}


def in_an_hour() -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=1)).isoformat(timespec="milliseconds")


# Every day half of the actions are called with their form as it is, or with their example.
FORMS, CALLS, *_ = dealt(sorted(set(NAMES) - OF_A_RUN - AFTER_A_RUN), 4)


@pytest.fixture
def config(name: str, post: MailCloud, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A configuration with which the action has something to do."""
    if name.startswith("email.campaign.") and "campaign" in example(name):  # not all of it sent
        refusal = {"resume": Fault("mail", reply="550 5.7.1 no")}
        post.smtp.fault(refusal.get(name.rpartition(".")[2], Fault("rcpt", reply="550 5.1.1 no")))
        notice = {**example("email.list_notice"), "to": f"{uuid.uuid4()}@example.org"}
        assert notice["campaign"] == example(name)["campaign"]
        post.ask("list_notice", **notice, dry_run=False)
        post.smtp.fault()
    config = post.config()
    if name == "event.report":
        an_event(config["state_url"], id=example(name)["event"])
    if name.startswith("silence."):
        return dict(request.getfixturevalue("alertmanager"))
    if name.startswith(("downtime.", "monitoring.")) or name.endswith("silence"):
        return dict(request.getfixturevalue("icinga"))
    if name in VERB or name in CREATED:
        return dict(request.getfixturevalue("stand"))
    if not name.startswith(AMONG_PEOPLE) and not name.endswith((".search", ".list")):
        config = request.getfixturevalue("house")
    if "cloud_b" in action(name)["parameters"]:
        (entry,) = config["clouds"]
        twin = {**entry, "name": example(name)["cloud_b"]}
        config = {**config, "clouds": [entry, twin], "default_cloud": "fake"}
    return config


@pytest.mark.parametrize("name", FORMS)
def test_the_defaults_of_a_form_are_not_refused(name: str, config: dict[str, Any]) -> None:
    went = 0
    for form in forms(name):
        kind, result = dispatch(name, form, config)
        assert "this is a bug" not in result["summary"]
        if kind != "refused":
            went += 1
        else:  # a choice may need another field; its description says so
            assert form.get("notice") == "maintenance", (form, result["summary"])
            assert "work needs it" in action(name)["parameters"]["window"]["description"]
    assert went


@pytest.mark.parametrize("name", CALLS)
def test_an_example_is_not_refused(name: str, config: dict[str, Any]) -> None:
    """What the docs show is a condition, an operator, a date, a name that is understood."""
    dry = {"dry_run": True} if "dry_run" in action(name)["parameters"] else {}
    kind, result = dispatch(name, {**example_of(name), **dry}, config)
    assert kind != "refused", result["summary"]
    assert "this is a bug" not in result["summary"]


def test_what_asks_for_a_run_leaves_nothing_else_to_defaults() -> None:
    for name in OF_A_RUN:
        visible = {n for n, given in action(name)["parameters"].items() if "position" in given}
        mine = visible - {"output", "output_file", "workflow", "requested_by", "deadline"}
        assert {n for n in mine if not action(name)["parameters"][n].get("required")} <= {"step"}
