"""A dry run changes nothing and a real run only what its plan says: for every action there is.

What mail runbooks change is what the mail server has accepted, so that is asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from examples import example
from state.journal import Journal
from state.store import Store
from support.cloud_hosts import parameters_of_test
from support.cloud_operator import REPOSITORY
from support.cloud_proxied import Proxied
from support.cloud_site import Site
from support.cloud_stands import birth_for, stand_for
from support.cloud_volumes import hanging, to_prune, to_transfer
from support.example_things import made
from support.mail_examples import MAIL_EXAMPLES, Post
from support.sampling import dealt
from support.smtp_server import SmtpServer
from support.verb_stands import CREATIONS, VERBS
from verbs.creation import Creation
from verbs.verb import Verb
from workflow_api.plan import Plan
from workflow_api.workflow import workflow_named

Example = Callable[[Site], dict[str, Any]]


def _enable(site: Site) -> dict[str, Any]:
    site.disable(site.source)
    return {"hypervisor": site.source}


def _drain(site: Site) -> dict[str, Any]:
    _running, stopped = site.boot(2)
    site.act(stopped, "os-stop", "SHUTOFF")
    return {"hypervisor": site.source}


def _crowded_group(site: Site) -> dict[str, Any]:
    # Only a soft group lets itself be broken.
    group = site.group("soft-anti-affinity")
    site.boot(2, group=group)
    return {"server_group": group}


def _image_file(site: Site) -> dict[str, Any]:
    path = Path(f"/tmp/{site.to_come('image')}")
    path.write_bytes(b"an image" * 1000)
    return {"name": path.name, "source": str(path), "disk_format": "raw"}


def _family(site: Site) -> dict[str, Any]:
    old, new = (site.new_image(os_distro="proof", visibility="community") for _ in range(2))
    assert old != new
    return {"image": new, "family": "os_distro=proof"}


def _verb(verb: Verb) -> Example:
    return lambda site: stand_for(site, verb).parameters()


def _creation(row: Creation) -> Example:
    return lambda site: birth_for(site, row).parameters()


#: What an example is about here, where things in their usual state (support/example_things.py)
#: will not do.
PARTICULAR: dict[str, Example] = {
    "flavor.create": lambda site: {"name": site.to_come("flavor")},
    "flavor.retire": lambda site: {"flavor": site.flavor()},
    "hypervisor.drain": _drain,
    "hypervisor.enable": _enable,
    "hypervisor.stop_servers": _drain,
    "hypervisor.test": lambda site: parameters_of_test(site, site.source),
    "snapshot.prune": to_prune,
    "volume.detach_stuck": hanging,
    "volume.transfer": to_transfer,
    "image.create": _image_file,
    "image.rotate": _family,
    "server_group.repair": _crowded_group,
    **{verb.name: _verb(verb) for verb in VERBS},
    **{row.name: _creation(row) for row in CREATIONS},
}


def _about(action: str, site: Site) -> dict[str, Any]:
    """Make what an action's example is about, and return how it is called here."""
    make = PARTICULAR.get(action)
    return make(site) if make else made(site, example(action))


def _changing_actions() -> list[str]:
    described = [yaml.safe_load(path.read_text()) for path in _yamls()]
    names = [action["parameters"]["workflow"]["default"] for action in described]
    return [name for name in names if workflow_named(name).changes]


def _yamls() -> list[Path]:
    return sorted((REPOSITORY / "actions").glob("*.yaml"))


def test_mail_runbooks_have_examples_of_their_own() -> None:
    assert {name for name in _changing_actions() if name.startswith("email.")} == set(MAIL_EXAMPLES)


# One needs another cloud, the changes of another are those of its rows, and one is about what an
# earlier run has done: they are held by tests/cloud/test_flavors_images.py, test_bulk.py and
# test_hypervisor_servers.py.
# What takes a host in work changes the journal too, which no cloud is told of:
# test_hypervisor_evacuate.py, test_maintain.py; and so does the lock of operations. Silences are in
# no cloud: test_alertmanager.py. Reports are mails to operators. What is run on hosts goes past the
# cloud: the last test here.
ELSEWHERE = {
    "ssh.run",
    "event.report",
    "report.events",
    "report.plan",
    "flavor.copy",
    "bulk.run",
    "hypervisor.start_servers",
    "hypervisor.migrate_back",
    "hypervisor.evacuate",
    "hypervisor.maintain",
    "hypervisor.return",
    "maintenance.campaign",
    "ops.lock",
    "ops.unlock",
    "silence.create",
    "silence.extend",
    "silence.expire",
}
# These change no cloud: tests/cloud/test_downtimes.py asks the monitoring that they change.
OF_MONITORING = (
    "downtime.",
    "silence.",
    "monitoring.",
    "hypervisor.silence",
    "hypervisor.unsilence",
)
MINE = [
    name
    for name in _changing_actions()
    if name not in ELSEWHERE | set(MAIL_EXAMPLES) and not name.startswith(OF_MONITORING)
]
OF_TABLES = {verb.name for verb in VERBS}


@pytest.mark.parametrize(
    "action",
    [
        *(name for name in MINE if name not in OF_TABLES),
        # Verbs have one mechanism, and tests/cloud/test_verbs.py tries each of them too.
        *dealt([name for name in MINE if name in OF_TABLES], 3)[0],
    ],
)
def test_dry_run_changes_nothing_and_run_only_what_is_planned(
    action: str, site: Site, proxied: Proxied
) -> None:
    proxy, operator = proxied.proxy, proxied.operator
    parameters = {**example(action), **_about(action, site)}
    journal = Journal(Store(operator.config["state_url"]))

    shown = operator.dry_run(action, **parameters)

    assert proxy.requests
    assert proxy.changes() == []
    planned = journal.run(shown.run)
    assert planned.state == "planned"
    assert planned.plan is not None
    assert Plan.from_data(planned.plan).changes() > 0

    proxy.clear()
    ended = operator.done(action, **parameters)

    carried_out = journal.run(ended.run).plan
    assert carried_out is not None
    plan = Plan.from_data(carried_out)
    step_of = {f"req-{attempt.id}": attempt.key for attempt in journal.attempts(ended.run)}
    changing = {step.key for step in plan.steps() if step.changes}
    changed = [step_of.get(change.global_request_id or "") for change in proxy.changes()]
    assert set(changed) == changing, "changes belong to changing steps, and none of them has none"
    assert {uuid.UUID(request.removeprefix("req-")).version for request in step_of} == {4}
    assert Plan.from_data(planned.plan).differences(plan) == []


@pytest.mark.parametrize("action", sorted(MAIL_EXAMPLES))
def test_dry_run_sends_nothing_and_run_only_what_is_planned(
    action: str, site: Site, proxied: Proxied
) -> None:
    proxy, operator = proxied.proxy, proxied.operator
    with SmtpServer(security="none") as server:
        operator.config["smtp_accounts"] = [server.account()]
        operator.config["email"] = {"operators": "ops@example.org", "retry_for": "1s"}
        parameters = {**example(action), **MAIL_EXAMPLES[action](Post(site, operator, server))}
        before = server.accepted
        journal = Journal(Store(operator.config["state_url"]))

        shown = operator.dry_run(action, **parameters)

        assert server.accepted == before
        planned = journal.run(shown.run)
        assert planned.state == "planned"
        assert planned.plan is not None
        assert Plan.from_data(planned.plan).changes() > 0

        ended = operator.done(action, **parameters)

        carried_out = journal.run(ended.run).plan
        assert carried_out is not None
        plan = Plan.from_data(carried_out)
        sent = [mail.recipient for mail in server.accepted[len(before) :]]
        assert sent
        assert sorted(sent) == sorted(_planned_recipients(plan) or sent)
        assert len(set(sent)) == len(sent)
        assert proxy.changes() == [], "nothing was done to the cloud"
        assert Plan.from_data(planned.plan).differences(plan) == []


@pytest.mark.usefixtures("ssh_hosts")
def test_dry_run_runs_nothing_on_hosts_and_run_only_what_is_planned(
    site: Site, proxied: Proxied, folder: Path
) -> None:
    proxy, operator = proxied.proxy, proxied.operator
    marks = folder / "marks"
    leave = ["sh", "-c", 'echo "$1" >> "$2"', "sh", "{host}", str(marks)]
    operator.config["ssh_commands"] = {"patch": {"command": leave}}
    parameters = {**example("ssh.run"), "where": f"name any_in ({', '.join(site.hosts)})"}
    journal = Journal(Store(operator.config["state_url"]))

    shown = operator.dry_run("ssh.run", **parameters)

    assert not marks.exists()
    planned = journal.run(shown.run)
    assert planned.state == "planned"
    assert planned.plan is not None
    assert Plan.from_data(planned.plan).changes() == len(site.hosts)

    ended = operator.done("ssh.run", **parameters)

    assert sorted(marks.read_text().split()) == sorted(site.hosts)
    assert proxy.changes() == [], "nothing was done to the cloud"
    carried_out = journal.run(ended.run).plan
    assert carried_out is not None
    assert Plan.from_data(planned.plan).differences(Plan.from_data(carried_out)) == []


def _planned_recipients(plan: Plan) -> list[str]:
    """Return to whom mails are planned, where the plan names them."""
    mails = [mail for step in plan.steps() for mail in step.data.get("mails", ())]
    return [mail["recipient"] for mail in mails]
