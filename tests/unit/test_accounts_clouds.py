"""Several clouds in one call: which are meant, and that each is logged in to once."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.cloud import Cloud
from accounts.clouds import Clouds
from accounts.config import PackConfig, load
from common.redaction import Redactor
from engine.parameters import bind
from engine.reporter import LineReporter
from engine.session import Session
from engine.stop import Stop
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from workflow_api import Context, Requester, Table, UserError
from workflow_api.workflow import Workflow, workflow, workflow_named


def config_of(*names: str, **more: Any) -> PackConfig:
    return load({"clouds": [{"name": name} for name in names], **more})


def session(config: PackConfig) -> Session:
    return Session(
        config=config,
        requester=Requester(user="ann", origin="test"),
        reporter=LineReporter(),
        redactor=Redactor({}),
        stop=Stop(0),
        parameters={},
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, ["b"]),
        ([], ["b"]),
        ("", ["b"]),
        ([" ", ""], ["b"]),
        (["c", "a"], ["c", "a"]),
        (["a", "a"], ["a"]),
        ("a, c", ["a", "c"]),
        (["*"], ["a", "b", "c"]),
        (["c", "*"], ["a", "b", "c"]),
    ],
)
def test_which_clouds_are_meant(given: Any, meant: list[str]) -> None:
    assert Clouds.chosen(config_of("a", "b", "c", default_cloud="b"), given) == meant


@pytest.mark.parametrize(
    ("config", "given", "message"),
    [
        (config_of("prod", "test"), ["prod", "tset"], "There is no cloud 'tset' .* mean test?"),
        (config_of("prod", "test"), ["*", "nope"], None),
        (config_of("prod", "test"), [], "Several clouds are configured .* none is the default"),
        (config_of(), ["*"], "No cloud is configured"),
        (config_of(), [], "No cloud is configured"),
    ],
)
def test_clouds_that_are_none(config: PackConfig, given: list[str], message: str | None) -> None:
    if message is None:
        assert Clouds.chosen(config, given) == ["prod", "test"]
        return
    with pytest.raises(UserError, match=message):
        Clouds.chosen(config, given)


@workflow("several.clouds")
def compare(ctx: Context, cloud: Cloud, clouds: Clouds) -> Table:
    """Compare clouds."""
    return Table(("name",), [{"name": one.name} for one in clouds])


def workflow_of_several() -> Workflow:
    return workflow_named("several.clouds")


def test_a_list_of_names_becomes_clouds_and_each_is_one_object() -> None:
    opened = session(config_of("a", "b"))
    call = bind(workflow_of_several(), {"cloud": "b", "clouds": ["a", "b"]}, opened.account)
    clouds = call.arguments["clouds"]
    assert isinstance(clouds, Clouds)
    assert [cloud.name for cloud in clouds] == ["a", "b"]
    assert clouds[1] is call.arguments["cloud"], "so there is one login"
    assert call.accounts == {"cloud": "b", "clouds": "a,b"}
    again = bind(workflow_of_several(), call.accounts, opened.account)
    assert again.arguments["clouds"] == clouds
    assert again.request == call.request


@pytest.mark.parametrize("wrong", [["a", 1], {"a": 1}, 7])
def test_a_list_of_anything_else_is_refused(wrong: Any) -> None:
    opened = session(config_of("a", "b"))
    with pytest.raises(UserError, match="clouds is a list of names in the configuration"):
        bind(workflow_of_several(), {"cloud": "a", "clouds": wrong}, opened.account)


def test_each_cloud_is_logged_in_to_once() -> None:
    with FakeCloud([Hypervisor("h")], [Server("a")]) as one, FakeCloud([], [Server("b")]) as two:
        clouds = [one.entry(), two.entry(name="other")]
        opened = session(load({"clouds": clouds}))
        both = opened.account(Clouds, ["*"])
        for _ in range(2):
            for cloud in both:
                cloud.get("compute", "/servers/detail")
        opened.account(Cloud, "other").get("compute", "/servers/detail")
        assert [fake.count("POST .*/auth/tokens") for fake in (one, two)] == [1, 1]


ODD_NAMES = {
    "nothing": "",
    "a comma": "a,b",
    "a space": "a b",
    "every cloud": "*",
    "a path": "../up",
    "a slash": "a/b",
    "an option": "-a",
    "a dot first": ".a",
    "a line break": "a\n",
    "a control character": "a\x1b[31m",
    "a quote": "a'b",
    "another script": "\u0440rod",
    "a surrogate": "a\udc80",
    "many letters": "a" * 65,
}


@pytest.mark.parametrize("kind", ["clouds", "smtp_accounts"])
@pytest.mark.parametrize("name", ODD_NAMES.values(), ids=ODD_NAMES)
def test_a_name_of_odd_letters(name: str, kind: str) -> None:
    more = {"host": "mail", "sender": "a@example.org"} if kind == "smtp_accounts" else {}
    with pytest.raises(UserError) as refused:
        load({kind: [{"name": name, **more}]})
    assert refused.value.message.startswith(
        f"The pack's configuration is not valid at {kind}[0].name: a name is made of letters, "
    )


@pytest.mark.parametrize("name", ["a", "0", "prod-1", "Prod_1.west", "a" * 64])
def test_a_name_of_sane_letters(name: str) -> None:
    assert load({"clouds": [{"name": name}]}).cloud(name).name == name
