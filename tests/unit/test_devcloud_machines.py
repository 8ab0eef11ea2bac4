"""Pretended hosts of devcloud: their addresses, their knobs, and the programs that they have."""

import dataclasses
import os
import subprocess

import pytest

from devcloud import configuration, machines, power, settings
from devcloud.errors import DevcloudError
from devcloud.service import user_name
from devcloud.services import all_services


@pytest.fixture
def devcloud(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("DEVCLOUD_")]:
        monkeypatch.delenv(name)  # who runs the tests may have a devcloud of another size
    monkeypatch.setenv("DEVCLOUD_STATE", str(tmp_path))
    chosen = settings.chosen(groups=("ssh",))
    settings.remember(chosen)
    configuration.make_folders(chosen)
    for host in chosen.compute_hosts:
        place = machines.folder(chosen, host)
        place.mkdir()
        (place / "kernel").write_text("6.1.0-devcloud.1\n")
        (place / "boot_id").write_text("boot-1\n")
    return chosen


def test_each_host_has_an_address_of_its_own(devcloud):
    own = [s for s in all_services(devcloud) if s.name.startswith("machine-")]
    assert [service.address for service in own] == ["127.0.2.1", "127.0.2.2", "127.0.2.3"]
    assert {service.port for service in own} == {"ssh"}


def ask(devcloud, *words):
    """Run a program as a host's login does."""
    return subprocess.run(
        words,
        env={
            "PATH": f"{machines.PROGRAMS}:{os.environ['PATH']}",
            "DEVCLOUD_MACHINE": str(machines.folder(devcloud, "cmp-1")),
        },
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_host_has_a_boot_and_a_kernel_of_its_own(devcloud):
    assert ask(devcloud, "cat", "/proc/sys/kernel/random/boot_id").stdout == "boot-1\n"
    assert ask(devcloud, "uname", "-r").stdout == "6.1.0-devcloud.1\n"
    assert ask(devcloud, "cat", "/etc/hostname").returncode == 0
    assert "Linux" in ask(devcloud, "uname", "-a").stdout


def test_a_patch_is_in_effect_after_the_next_boot(devcloud):
    place = machines.folder(devcloud, "cmp-1")
    patched = ask(devcloud, "sudo", "patch-host", "--level=a; b")
    assert patched.stdout == "patching (a; b)\n42 packages are up to date\n"
    assert (place / "next_kernel").read_text() == "6.1.0-devcloud.2\n"
    assert power.kernel("cmp-1") == "6.1.0-devcloud.1"
    power.set_knobs("cmp-1", patch_fails=True)
    failed = ask(devcloud, "patch-host")
    assert (failed.returncode, failed.stderr) == (100, "patch-host: E: unmet dependencies\n")
    assert ask(devcloud, "patch-host", "--lvl=1").returncode == 2


def test_nova_compute_is_off_as_long_as_its_host_can_be_switched_on(devcloud):
    """Without its power supply nothing would ever start it again but devcloud/up."""
    compute = next(s for s in all_services(devcloud) if s.name == "nova-compute-cmp-1")
    supply = next(s for s in all_services(devcloud) if s.name == "machine-cmp-1")
    assert not compute.is_off()
    (machines.folder(devcloud, "cmp-1") / "off").touch()
    assert not compute.is_off()
    process = supply.process(devcloud)
    process.start(("sleep", "60"), {})
    try:
        assert compute.is_off()
        assert not supply.is_off()
    finally:
        process.kill()
    assert not compute.is_off()


@pytest.mark.parametrize(
    ("password", "has_rules", "said"),
    [("*", True, "no"), ("!", True, "yes"), ("!*", False, "no"), ("$y$x", True, "no")],
)
def test_pam_is_asked_about_a_locked_account_alone(tmp_path, password, has_rules, said):
    shadow, rules = tmp_path / "shadow", tmp_path / "sshd"
    shadow.write_text(f"other:!:1\n{user_name()}:{password}:1\n")
    if has_rules:
        rules.touch()
    assert machines.pam(shadow, rules) == said
    assert machines.pam(tmp_path / "none", rules) == "no"


def test_knobs_are_taken_away(devcloud):
    power.set_knobs("cmp-1", patch_fails=True, down_seconds=9)
    power.set_knobs("cmp-2", stays_down=True)
    power.clear()
    left = [
        path.name for path in (devcloud.var / "machines").rglob("*") if path.name in power.KNOBS
    ]
    assert left == []


@pytest.mark.parametrize(
    ("host", "knobs", "complaint"),
    [
        ("cmp-9", {"patch_fails": True}, "no compute host cmp-9: there are cmp-1, cmp-2, cmp-3"),
        ("cmp-1", {"dances": True}, "no knob dances of a host"),
    ],
)
def test_a_wrong_knob_is_refused(devcloud, host, knobs, complaint):
    with pytest.raises(DevcloudError, match=complaint):
        power.set_knobs(host, **knobs)


def test_without_the_group_there_are_no_hosts(devcloud):
    settings.remember(dataclasses.replace(devcloud, groups=()))
    power.clear()
    with pytest.raises(DevcloudError, match="devcloud/up --with ssh"):
        power.boot_id("cmp-1")
