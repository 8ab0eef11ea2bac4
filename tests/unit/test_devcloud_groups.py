"""Groups of services beside devcloud's cloud: asked for once, remembered, complete."""

import dataclasses
import json
import os
import shutil
import stat
import subprocess

import pytest
import yaml

from devcloud import configuration, packages
from devcloud import settings as devcloud_settings
from devcloud.groups import GROUPS, parts
from devcloud.ports import DEFAULTS
from devcloud.services import all_services
from devcloud.settings import HERE


@pytest.fixture
def devcloud(tmp_path):
    chosen = devcloud_settings.chosen({"DEVCLOUD_STATE": str(tmp_path)})
    configuration.make_folders(chosen)
    return chosen


def test_groups_are_remembered_and_added_to(tmp_path):
    environ = {"DEVCLOUD_STATE": str(tmp_path)}
    assert devcloud_settings.chosen(environ).groups == ()
    devcloud_settings.remember(devcloud_settings.chosen(environ, groups=("ssh",)))
    assert devcloud_settings.existing(environ).groups == ("ssh",)
    both = devcloud_settings.chosen(environ, groups=("monitoring", "ssh"))
    assert both.groups == ("ssh", "monitoring")


def test_a_devcloud_from_before_there_were_groups_gets_their_ports(tmp_path):
    environ = {"DEVCLOUD_STATE": str(tmp_path), "DEVCLOUD_PORT_OFFSET": "100"}
    before = devcloud_settings.chosen(environ)
    old = {name: port for name, port in before.ports.items() if name != "ssh"}
    devcloud_settings.remember(dataclasses.replace(before, ports=old))
    stored = json.loads((tmp_path / "settings.json").read_text())
    del stored["groups"]
    (tmp_path / "settings.json").write_text(json.dumps(stored))
    assert devcloud_settings.existing(environ).ports == old
    now = devcloud_settings.chosen({"DEVCLOUD_STATE": str(tmp_path)}, groups=("ssh",))
    assert now.ports == old | {"ssh": DEFAULTS["ssh"] + 100}


@pytest.mark.long
def test_an_unknown_group_is_refused(tmp_path):
    ended = subprocess.run(
        [HERE / "up", "--with", "ssh,tape"],
        env=os.environ | {"DEVCLOUD_STATE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 2
    assert "no group tape: there are monitoring, ssh" in ended.stderr
    assert not (tmp_path / "settings.json").exists()


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_complete_and_private(devcloud, group, monkeypatch):
    monkeypatch.setattr(configuration, "SHIPPED", ())
    beside = dataclasses.replace(devcloud, groups=(group,))
    configuration.write_configuration(beside)
    files = [name for part in parts(beside.groups) for name in part.files]
    assert all(stat.S_IMODE((beside.etc / name).stat().st_mode) == 0o600 for name in files)
    assert yaml.safe_load((beside.state / "openstack_ops.yaml").read_text())["clouds"]
    names = [service.name for service in all_services(beside)]
    assert len(names) == len(set(names))
    added = all_services(beside)[len(all_services(devcloud)) :]
    known = {*names, *(f"{part.name} files" for part in parts(beside.groups))}
    for service in added:
        assert set(service.ports) <= set(beside.ports)
        assert set(service.after) <= known
        words = " ".join(service.command)
        assert not any(password in words for password in beside.passwords.values())


def test_programs_of_a_group_are_unpacked_where_the_system_has_none(devcloud, monkeypatch):
    ran = []
    beside = dataclasses.replace(devcloud, groups=("ssh",))
    has = shutil.which
    lacks = {"sshd", "ssh-keygen"}
    monkeypatch.setattr(
        packages.shutil, "which", lambda name, path=None: None if name in lacks else has("true")
    )
    monkeypatch.setattr(packages, "run_to_end", lambda command, *_: ran.append(command))
    packages.unpack_programs(beside, print)
    (fetched,) = (command for command in ran if "--download-only" in command)
    assert fetched[-2:] == ["openssh-client", "openssh-server"]
    assert f"Dir::Cache::archives={beside.unpacked}/archives" in fetched
    ran.clear()
    lacks.clear()
    packages.unpack_programs(beside, print)
    packages.unpack_programs(devcloud, print)
    assert ran == []
