"""Whatever is wrong with a request is said in a sentence, with what to do, and without a secret."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from devcloud.settings import Settings
from support.cloud_operator import Ended, Operator
from support.cloud_site import Site, until


@dataclass
class Clumsy:
    """An operator who gets things wrong."""

    operator: Operator
    secrets: list[str]

    def fails(self, kind: str, action: str, *said: str, **parameters: Any) -> str:
        """Return the summary of a run that ends so and says all of that, fit for an operator."""
        ended = self.operator.run(action, **parameters)
        assert ended.kind == kind, ended
        missing = [words for words in said if words not in ended.summary]
        assert not missing, f"{missing} not in: {ended.summary}"
        self.assert_fit(ended)
        return ended.summary

    def refused(self, action: str, *said: str, **parameters: Any) -> str:
        """Return the summary of a run that is refused."""
        return self.fails("refused", action, *said, **parameters)

    def assert_fit(self, ended: Ended) -> None:
        """No traceback is shown, and no secret shown or written down anywhere."""
        assert "Traceback" not in ended.output
        assert "Internal error" not in ended.output
        for text in (ended.output, *self.operator.written()):
            assert not [secret for secret in self.secrets if secret in text]

    def whose(self, home: str, **auth: Any) -> Clumsy:
        """Return somebody whose cloud has other credentials."""
        (entry,) = self.operator.config["clouds"]
        entry = {**entry, "auth": {**entry["auth"], **auth}}
        other = self.operator.with_config(home, clouds=[entry])
        secrets = [v for k, v in auth.items() if k == "password"]
        return Clumsy(other, [*self.secrets, *secrets])


@pytest.fixture
def clumsy(operator: Operator, devcloud: Settings) -> Clumsy:
    """Somebody with the right configuration, and the passwords that must never be seen."""
    return Clumsy(operator, [devcloud.passwords["admin"], devcloud.passwords["users"]])


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_names_that_stand_for_nothing(clumsy: Clumsy, site: Site) -> None:
    drain = {"reason": "proof", "hypervisor": site.source}
    clumsy.refused("server.list", "no cloud 'devclod'", "Did you mean devcloud?", clouds="devclod")
    clumsy.refused("hypervisor.show", "no hypervisor 'cmp-l'", "mean cmp-", hypervisor="cmp-l")
    clumsy.refused("server.show", "no server 'monitor-l'", "monitor-1", server="monitor-l")
    clumsy.refused("server.show", "no server", server="6f2a4a0e-5d0c-4a6b-9a51-05b0c0ffee00")
    clumsy.refused("hypervisor.drain", "exclude", "monitor-l", **drain, exclude=["monitor-l"])
    clumsy.refused("hypervisor.drain", "no hypervisor 'cmp-9'", **drain, target="cmp-9")
    clumsy.refused("server.search", "no property 'hots'", "Did you mean host", where="hots = x")
    clumsy.refused("run.show", "no run 'c0ffee00'", run="c0ffee00")
    clumsy.refused("hypervisor.drian", "hypervisor.drain")


def test_names_that_stand_for_several(clumsy: Clumsy, site: Site) -> None:
    twins = [*site.boot(name="proof-twin"), *site.boot(name="proof-twin")]
    ids = sorted(twin.id for twin in twins)

    clumsy.refused("server.show", "2 servers are called 'proof-twin'", *ids, server="proof-twin")
    clumsy.refused("server.migrate", *ids, server="proof-twin")

    clumsy.operator.done("server.show", server=ids[0])


def test_words_of_the_wrong_type(clumsy: Clumsy, site: Site) -> None:
    drain = {"hypervisor": site.source, "reason": "proof"}
    clumsy.refused("hypervisor.drain", "max_parallel", "number", **drain, max_parallel="many")
    clumsy.refused("hypervisor.drain", "max_parallel", **drain, max_parallel=0)
    clumsy.refused("hypervisor.drain", "migration", "auto", **drain, migration="sideways")
    clumsy.refused("hypervisor.drain", "dry_run", **drain, dry_run="perhaps")
    clumsy.refused("hypervisor.drain", "exclud", "did you mean exclude", **drain, exclud="x")
    clumsy.refused("hypervisor.drain", "reason", hypervisor=site.source)
    clumsy.refused("hypervisor.disable", "reason", hypervisor=site.source, reason="x" * 300)
    assert site.service(site.source)["status"] == "enabled"


def test_credentials_that_are_wrong(clumsy: Clumsy) -> None:
    other = clumsy.whose("stranger", password="not-the-one-at-all")
    other.refused("server.list", "the credentials are not accepted (401)", "check auth")
    other.refused("hypervisor.disable", "(401)", hypervisor="cmp-1", reason="proof")


def test_credentials_that_have_expired(clumsy: Clumsy, site: Site) -> None:
    identity = site.sdk.identity
    user = site.sdk.session.get_user_id()
    expires = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)
    made = identity.create_application_credential(
        user, "proof-expires", expires_at=f"{expires:%Y-%m-%dT%H:%M:%S}"
    )
    (entry,) = clumsy.operator.config["clouds"]
    auth = {
        "auth_url": entry["auth"]["auth_url"],
        "application_credential_id": made.id,
        "application_credential_secret": made.secret,
    }
    entry = {**entry, "auth_type": "v3applicationcredential", "auth": auth}
    late = Clumsy(clumsy.operator.with_config("late", clouds=[entry]), [made.secret])
    try:
        now = datetime.datetime.now
        until(lambda: now(datetime.timezone.utc) > expires, "the credential has expired")
        late.refused("hypervisor.list", "the credentials are not accepted (401)", "expired")
    finally:
        identity.delete_application_credential(user, made.id)


def test_rights_that_are_not_there(clumsy: Clumsy, site: Site, devcloud: Settings) -> None:
    member = clumsy.whose(
        "member", username="bruno", password=devcloud.passwords["users"], project_name="shop"
    )
    asked = {"hypervisor": site.source, "reason": "proof"}
    member.fails("failed", "hypervisor.list", "403", "has no right", "cloud.check")
    member.fails("failed", "hypervisor.disable", "403", "has no right", **asked)
    member.fails("failed", "hypervisor.drain", "403", "has no right", **asked)
    checked = member.operator.run("cloud.check")
    assert checked.kind == "failed"
    member.assert_fit(checked)
    wrong = {row["check"] for row in checked.result["rows"] if row["result"] == "BAD"}
    assert "right to list hypervisors" in wrong
    assert "right to enable and disable compute services" in wrong
    assert site.service(site.source)["status"] == "enabled"


def test_keystone_that_is_down(clumsy: Clumsy, nobody: int) -> None:
    lost = clumsy.whose("lost", auth_url=f"http://127.0.0.1:{nobody}/v3")
    lost.fails("failed", "server.list", "no connection", "auth_url", "reachable")


def test_keystone_that_is_none(clumsy: Clumsy, devcloud: Settings) -> None:
    lost = clumsy.whose("lost", auth_url=devcloud.url("nova", "/no-such-thing"))
    ended = lost.operator.run("server.list")
    assert ended.kind in ("failed", "refused"), ended
    assert "auth_url" in ended.summary
    lost.assert_fit(ended)


def test_host_that_cannot_be_reached(clumsy: Clumsy) -> None:
    clumsy.operator.config["limits"]["timeouts"] = {"request": "1s"}
    # An address for documentation: nobody has it (RFC 5737).
    lost = clumsy.whose("lost", auth_url="http://192.0.2.1:5000/v3")
    lost.fails("failed", "server.list", "Cloud devcloud", "auth_url")


def test_nova_that_is_down(clumsy: Clumsy, nobody: int) -> None:
    (entry,) = clumsy.operator.config["clouds"]
    entry = {**entry, "endpoint_override": {"compute": f"http://127.0.0.1:{nobody}/v2.1"}}
    lost = Clumsy(clumsy.operator.with_config("lost", clouds=[entry]), clumsy.secrets)
    lost.fails("failed", "server.list", "no connection", "service is up")


def test_configuration_that_is_wrong(clumsy: Clumsy) -> None:
    (entry,) = clumsy.operator.config["clouds"]
    unverified = Clumsy(
        clumsy.operator.with_config("lax", clouds=[{**entry, "verify": False}]), clumsy.secrets
    )
    unverified.refused("server.list", "verify cannot be turned off", "cacert")
    misspelt = Clumsy(
        clumsy.operator.with_config("misspelt", clouds=[{**entry, "auht": {}}]), clumsy.secrets
    )
    misspelt.refused("server.list", "did you mean auth?", "openstack_ops.yaml.example")
    empty = Clumsy(clumsy.operator.with_config("empty", clouds=[]), clumsy.secrets)
    empty.refused("server.list", "No cloud is configured")
