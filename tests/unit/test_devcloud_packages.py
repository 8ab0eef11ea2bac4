"""Packages and configuration of a devcloud, and the knobs of its hosts."""

import stat

import pytest
import yaml

from devcloud import configuration, faults, packages, settings
from devcloud.errors import DevcloudError
from devcloud.services import all_services


@pytest.fixture
def devcloud(tmp_path, monkeypatch):
    monkeypatch.setenv("DEVCLOUD_STATE", str(tmp_path))
    chosen = settings.chosen()
    settings.remember(chosen)
    configuration.make_folders(chosen)
    return chosen


def finish_virtualenv(devcloud):
    (devcloud.venv / "bin").mkdir(parents=True)
    devcloud.python.touch()
    packages._finished_marker(devcloud).write_text(packages._digest(packages.REQUIREMENTS))


def test_missing_packages_are_one_sentence_without_root(devcloud, monkeypatch):
    finish_virtualenv(devcloud)
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages.shutil, "which", lambda name, path=None: None)
    with pytest.raises(DevcloudError) as refused:
        packages.install_system_packages(devcloud, print)
    (sentence,) = str(refused.value).splitlines()
    assert "as root: apt-get install" in sentence
    assert "mariadb-server memcached openssl qemu-utils rabbitmq-server" in sentence


def test_an_unusable_python_is_said(devcloud, monkeypatch):
    monkeypatch.setenv("DEVCLOUD_PYTHON", "/bin/false")
    with pytest.raises(DevcloudError, match="name one in DEVCLOUD_PYTHON"):
        packages.make_virtualenv(devcloud, print)


def test_a_half_finished_virtualenv_is_built_anew(devcloud):
    (devcloud.venv / "bin").mkdir(parents=True)
    devcloud.python.touch()
    assert packages.needs_rebuild(devcloud)


def test_another_list_of_versions_is_built_anew(devcloud, monkeypatch, tmp_path):
    finish_virtualenv(devcloud)
    assert packages._is_finished(devcloud)
    other = tmp_path / "requirements.txt"
    other.write_text("nova==35.0.0\n")
    monkeypatch.setattr(packages, "REQUIREMENTS", other)
    assert packages.needs_rebuild(devcloud)


def test_every_requirement_is_pinned():
    lines = packages.REQUIREMENTS.read_text().splitlines()
    assert all(line.count("==") == 1 for line in lines)
    assert len(list(filter(packages._is_uwsgi, lines))) == 1


def test_configuration_is_complete_private_and_stable(devcloud, monkeypatch):
    monkeypatch.setattr(configuration, "SHIPPED", ())
    configuration.write_configuration(devcloud)
    for name in configuration.FILES:
        path = devcloud.etc / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "$" not in path.read_text()
    clouds = yaml.safe_load(devcloud.clouds_yaml.read_text())["clouds"]
    assert set(clouds) == {"devcloud", "devcloud-system"}
    pack = yaml.safe_load((devcloud.state / "openstack_ops.yaml").read_text())
    assert pack["state_url"] == f"sqlite:///{devcloud.var}/openstack_ops/state.db"
    assert pack["clouds"][0]["auth"]["password"] == devcloud.passwords["admin"]
    before = {path: path.stat().st_mtime_ns for path in devcloud.etc.rglob("*")}
    configuration.write_configuration(devcloud)
    assert before == {path: path.stat().st_mtime_ns for path in devcloud.etc.rglob("*")}


def test_no_password_is_on_a_command_line(devcloud):
    words = " ".join(word for service in all_services(devcloud) for word in service.command)
    assert not any(password in words for password in devcloud.passwords.values())


def test_knobs_are_kept_and_taken_away(devcloud):
    faults.set_knobs("cmp-2", live_migration_fail=True, spawn_seconds=1.5)
    assert faults.set_knobs("cmp-2", power_fail_for=["a"], spawn_seconds=0) == {
        "live_migration_fail": True,
        "power_fail_for": ["a"],
    }
    faults.clear("cmp-2")
    assert faults.knobs("cmp-2") == {}


@pytest.mark.parametrize(
    ("host", "knob", "complaint"),
    [
        ("cmp-9", {"spawn_fail": True}, "no compute host cmp-9: there are cmp-1, cmp-2, cmp-3"),
        ("cmp-1", {"dance_fail": True}, "no knob dance_fail"),
        ("cmp-1", {"spawn_hours": 1}, "no knob spawn_hours"),
        ("cmp-1", {"spawn_fail": "yes"}, "spawn_fail cannot be 'yes'"),
        ("cmp-1", {"spawn_seconds": -1}, "spawn_seconds cannot be -1"),
        ("cmp-1", {"spawn_fail_for": "a"}, "spawn_fail_for cannot be 'a'"),
    ],
)
def test_a_wrong_knob_is_refused(devcloud, host, knob, complaint):
    with pytest.raises(DevcloudError, match=complaint):
        faults.set_knobs(host, **knob)


def test_agents_die_and_live_again(devcloud):
    faults.kill_agents("net-1")
    faults.kill_agents("cmp-3")
    faults.revive_agents("net-1")
    assert faults.dead_agents() == {"cmp-3"}
    faults.clear()
    assert faults.dead_agents() == set()
