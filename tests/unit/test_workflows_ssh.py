"""ssh.run: its plan and its refusals, and whole runs against a host in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.runs import Silent, new_state
from support.ssh_host import Command, Host, a_host, key_text

HOSTS = [Hypervisor(f"cmp-{number}") for number in (3, 1, 2)]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with a_host() as host:
        yield host


@pytest.fixture
def config(host: Host, tmp_path: Path) -> Iterator[dict[str, Any]]:
    host.commands.clear()
    known = tmp_path / "known_hosts"
    known.write_text(host.known_hosts())
    entry = {"name": "hosts", "user": "ops", "port": host.port, "private_key": key_text()}
    commands = {
        "patch": {"command": ["patch-host", "--level={level}", "{host}"]},
        "again": {"command": ["again", "{host}"], "repeatable": True},
    }
    with FakeCloud(HOSTS) as cloud:
        yield cloud.config(
            state_url=new_state(tmp_path / "state.db"),
            ssh_accounts=[{**entry, "known_hosts": str(known), "address": "127.0.0.1"}],
            ssh_commands=commands,
        )


def run(config: dict[str, Any], **parameters: Any) -> tuple[str, dict[str, Any]]:
    asked = {"command": "patch", "where": "name starts_with cmp-", "parameters": "level=all"}
    call = {"dry_run": False, **asked, **parameters}
    return dispatch("ssh.run", call, config, reporter=Silent())


def test_a_dry_run_says_what_would_be_run_and_runs_nothing(
    host: Host, config: dict[str, Any]
) -> None:
    kind, result = run(config, dry_run=True, parameters="level='a; b'")
    assert kind == "done"
    said = [row["what"] for row in result["rows"]]
    assert said == ["run patch on cmp-1", "run patch on cmp-2", "run patch on cmp-3"]
    assert "It runs, as ops: patch-host '--level=a; b' cmp-1" in result["text"]
    assert host.commands == []


@pytest.mark.long
def test_each_host_is_sent_the_command_once(host: Host, config: dict[str, Any]) -> None:
    def behaviour(command: Command) -> None:
        command.say(f"patched {command.text.split()[-1]}\n".encode())
        command.exit()

    host.behaviour = behaviour
    kind, result = run(config, max_parallel=3)
    assert kind == "done"
    assert sorted(host.commands) == [f"patch-host --level=all cmp-{n}" for n in (1, 2, 3)]
    outputs = {row["host"]: row["output"] for row in result["rows"]}
    assert outputs == {f"cmp-{n}": f"patched cmp-{n}" for n in (1, 2, 3)}


@pytest.mark.long
@pytest.mark.parametrize(("on_failure", "sent"), [("stop", 1), ("continue", 3)])
def test_a_failure_stops_the_rest_or_not(
    host: Host, config: dict[str, Any], on_failure: str, sent: int
) -> None:
    host.behaviour = lambda command: command.exit(3 if "cmp-1" in command.text else 0)
    kind, result = run(config, max_parallel=1, on_failure=on_failure)
    assert kind == "failed"
    assert "patch failed on cmp-1: it ended with 3" in result["summary"]
    assert len(host.commands) == sent


@pytest.mark.long
def test_no_more_run_at_once_than_was_asked_for(host: Host, config: dict[str, Any]) -> None:
    now, most = set[str](), [0]

    def behaviour(command: Command) -> None:
        now.add(command.text)
        most.append(len(now))
        time.sleep(0.2)
        now.discard(command.text)
        command.exit()

    host.behaviour = behaviour
    assert run(config, max_parallel=2)[0] == "done"
    assert max(most) == 2


@pytest.mark.long
def test_a_command_whose_end_nobody_saw_keeps_its_host(host: Host, config: dict[str, Any]) -> None:
    host.behaviour = Command.cut
    kind, result = run(config, where="name = cmp-1")
    assert kind != "done"
    assert "It is not run again" in result["text"]
    host.behaviour = Command.exit
    same, gone_on = run(config, where="name = cmp-1")
    assert (same, gone_on["run"]) == (kind, result["run"]), "the same request goes on with its run"
    again, refusal = run(config, command="again", parameters=None, where="name = cmp-1")
    assert again == "refused"
    assert result["run"] in refusal["summary"], "its run is named, and what it left comes first"
    assert dispatch("run.resume", {"run": result["run"]}, config, reporter=Silent())[0] != "done"
    assert len(host.commands) == 1


@pytest.mark.long
def test_one_that_does_no_harm_is_sent_again(host: Host, config: dict[str, Any]) -> None:
    cut = iter([True, False])
    host.behaviour = lambda command: command.cut() if next(cut) else command.exit()
    kind, _ = run(config, command="again", parameters=None, where="name = cmp-1")
    assert (kind, host.commands) == ("done", ["again cmp-1"] * 2)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"command": "patsh"}, "Did you mean patch"),
        ({"parameters": None}, "Command patch needs level"),
        ({"parameters": "levl=1"}, "Did you mean level"),
        ({"parameters": "host=x; level=1"}, "host is always the host that it is run for"),
        ({"where": "name = nobody"}, "no hypervisor passes"),
        ({"where": "nme = cmp-1"}, "Did you mean name"),
        ({"ssh": "hsts"}, "Did you mean hosts"),
    ],
)
def test_what_is_refused(
    host: Host, config: dict[str, Any], parameters: dict[str, Any], says: str
) -> None:
    kind, result = run(config, **parameters)
    assert (kind, says in result["text"] + result["summary"]) == ("refused", True), result
    assert host.commands == []


def test_all_hosts_without_an_address_are_told_at_once(host: Host, config: dict[str, Any]) -> None:
    config["ssh_accounts"][0] |= {"address": "a {name}", "addresses": {"cmp-2": "127.0.0.1"}}
    kind, result = run(config)
    assert kind == "refused"
    assert "'a cmp-1'" in result["summary"]
    assert "'a cmp-3'" in result["summary"]
    assert host.commands == []


@pytest.mark.long
def test_the_first_by_name_are_taken(host: Host, config: dict[str, Any]) -> None:
    host.behaviour = Command.exit
    _, result = run(config, limit=2)
    assert [row["host"] for row in result["rows"]] == ["cmp-1", "cmp-2"]
