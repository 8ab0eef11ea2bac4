"""Ports and state of a devcloud: chosen once, remembered, and refused in a sentence."""

import fcntl
import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from devcloud import settings as devcloud_settings
from devcloud.errors import DevcloudError
from devcloud.ports import DEFAULTS, chosen_ports
from devcloud.settings import HERE


def run(command, state, **environ):
    return subprocess.run(
        [HERE / command],
        env=os.environ | {"DEVCLOUD_STATE": str(state)} | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, DEFAULTS),
        ({"DEVCLOUD_PORT_OFFSET": "100"}, {name: port + 100 for name, port in DEFAULTS.items()}),
        ({"DEVCLOUD_PORT_NOVA": "30001"}, DEFAULTS | {"nova": 30001}),
    ],
)
def test_ports_come_from_the_environment(environ, expected):
    assert chosen_ports(environ) == expected


def test_remembered_ports_hold_where_the_environment_is_silent():
    before = {name: port + 7 for name, port in DEFAULTS.items()}
    assert chosen_ports({}, before) == before
    assert chosen_ports({"DEVCLOUD_PORT_OFFSET": "0"}, before) == DEFAULTS


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"DEVCLOUD_PORT_NOVA": "http"}, "DEVCLOUD_PORT_NOVA must be a number"),
        ({"DEVCLOUD_PORT_NOVA": "80"}, "DEVCLOUD_PORT_NOVA must be a number from 1024"),
        ({"DEVCLOUD_PORT_NOVA": str(DEFAULTS["glance"])}, "nova and glance would share it"),
        ({"DEVCLOUD_PORT_OFFSET": "40000"}, "above 65535"),
    ],
)
def test_unusable_ports_are_refused(environ, complaint):
    with pytest.raises(DevcloudError, match=complaint):
        chosen_ports(environ)


def test_defaults_are_below_the_ports_for_outgoing_connections():
    assert max(DEFAULTS.values()) < 32768
    assert len(set(DEFAULTS.values())) == len(DEFAULTS)


@pytest.mark.long
def test_up_refuses_a_held_port_before_it_touches_anything(tmp_path, listener):
    ended = run("up", tmp_path / "state", DEVCLOUD_PORT_GLANCE=str(listener))
    assert ended.returncode == 1
    assert f"port {listener} (for glance-api) is held by pid {os.getpid()} (" in ended.stderr
    assert "DEVCLOUD_PORT_GLANCE=<port>" in ended.stderr
    assert not (tmp_path / "state" / "settings.json").exists()


@pytest.mark.long
def test_a_second_command_waits_for_the_first_and_says_so(tmp_path, listener):
    environ = {"DEVCLOUD_STATE": str(tmp_path), "DEVCLOUD_PORT_GLANCE": str(listener)}
    with (tmp_path / "command.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("devcloud/up (pid 1)")
        lock.flush()
        second = subprocess.Popen(
            [HERE / "up"],
            env=os.environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stdout.readline() == "waiting for devcloud/up (pid 1) to end\n"
        assert second.poll() is None
    _, complaint = second.communicate(timeout=60)
    assert "is held by" in complaint


@pytest.mark.long
@pytest.mark.parametrize("command", ["status", "seed", "fault show"])
def test_without_a_devcloud_commands_say_how_to_start_one(tmp_path, command):
    name, *arguments = command.split()
    ended = subprocess.run(
        [HERE / name, *arguments],
        env=os.environ | {"DEVCLOUD_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr == f"no devcloud in {tmp_path}: start one with devcloud/up\n"


@pytest.mark.long
def test_down_without_a_devcloud_is_no_error(tmp_path):
    assert run("down", tmp_path).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize("command", ["up", "down", "status", "fault"])
def test_every_command_explains_itself(tmp_path, command):
    ended = subprocess.run([HERE / command, "--help"], capture_output=True, text=True)
    assert ended.returncode == 0
    assert f"usage: devcloud/{command}" in ended.stdout


def test_settings_are_remembered_for_their_owner_only(tmp_path):
    environ = {"DEVCLOUD_STATE": str(tmp_path), "DEVCLOUD_PORT_NOVA": "30001"}
    first = devcloud_settings.chosen(environ)
    devcloud_settings.remember(first)
    assert stat.S_IMODE((tmp_path / "settings.json").stat().st_mode) == 0o600
    assert devcloud_settings.chosen({"DEVCLOUD_STATE": str(tmp_path)}) == first
    assert devcloud_settings.existing(environ) == first
    assert first.passwords["admin"] not in repr(first)


def test_other_ports_than_the_remembered_are_refused(tmp_path):
    environ = {"DEVCLOUD_STATE": str(tmp_path)}
    devcloud_settings.remember(devcloud_settings.chosen(environ))
    with pytest.raises(DevcloudError, match=r"nova 28774 -> 30001.*down --wipe first"):
        devcloud_settings.chosen(environ | {"DEVCLOUD_PORT_NOVA": "30001"})


def test_sizes_can_be_chosen_later(tmp_path):
    environ = {"DEVCLOUD_STATE": str(tmp_path)}
    devcloud_settings.remember(devcloud_settings.chosen(environ))
    assert devcloud_settings.chosen(environ | {"DEVCLOUD_HOST_VCPUS": "8"}).host_vcpus == 8
    with pytest.raises(DevcloudError, match="DEVCLOUD_COMPUTES must be a whole number above 0"):
        devcloud_settings.chosen(environ | {"DEVCLOUD_COMPUTES": "0"})


def test_sockets_have_short_paths_even_in_a_deep_state_folder(tmp_path):
    deep = tmp_path / ("d" * 120)
    settings = devcloud_settings.chosen({"DEVCLOUD_STATE": str(deep)})
    assert len(os.fsencode(settings.sockets / "mysql.sock")) < 107
    assert settings.sockets != settings.run
    near = devcloud_settings.chosen({"DEVCLOUD_STATE": "/srv/devcloud"})
    assert near.sockets == Path("/srv/devcloud/run")
