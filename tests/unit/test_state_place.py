"""Where a store lies: good places, bad ones, and ones that somebody has to judge."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from state import advice, place
from state.place import Finding, filesystem, judge_filesystem, look_at
from state.store import Store
from support.state import sqlite_url

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:20 / /proc rw - proc proc rw
30 22 0:31 / /tmp rw - tmpfs tmpfs rw
31 22 0:32 / /mnt/nas rw shared:2 master:1 - nfs4 nas:/export rw
32 22 0:33 / /mnt/my\\040disk rw - xfs /dev/vdb rw
33 31 0:34 / /mnt/nas/local rw - ext4 /dev/vdc rw
34 22 0:35 / /twice rw - ext4 /dev/vdd rw
35 22 0:36 / /twice rw - cifs //nas/share rw
broken line
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/openstack_ops", "ext4"),
        ("/tmp/x", "tmpfs"),
        ("/mnt/nas", "nfs4"),
        ("/mnt/nas/deep/er", "nfs4"),
        ("/mnt/nas/local/x", "ext4"),
        ("/mnt/nasty", "ext4"),
        ("/mnt/my disk/x", "xfs"),
        ("/twice/x", "cifs"),
    ],
)
def test_the_filesystem_of_a_folder(folder: str, kind: str) -> None:
    assert filesystem(Path(folder), MOUNTS) == kind


def test_this_machine_has_filesystems() -> None:
    assert filesystem(Path("/proc")) == "proc"


@pytest.mark.parametrize(
    ("kind", "folder", "ok", "said"),
    [
        ("ext4", "/var/lib/ops", True, "ext4"),
        ("xfs", "/var/lib/ops", True, "xfs"),
        ("nfs4", "/var/lib/ops", False, "locks do not hold"),
        ("cifs", "/var/lib/ops", False, "locks do not hold"),
        ("fuse.sshfs", "/var/lib/ops", False, "locks do not hold"),
        ("tmpfs", "/var/lib/ops", None, "temporary"),
        ("ext4", "/tmp/ops", None, "temporary"),
        ("ext4", "/var/tmp/ops", None, "temporary"),
        ("overlay", "/var/lib/ops", None, "a container's own disk"),
        ("", "/var/lib/ops", None, "cannot be known"),
    ],
)
def test_a_filesystem_is_judged(kind: str, folder: str, ok: bool | None, said: str) -> None:
    finding = judge_filesystem(kind, Path(folder))
    assert finding.ok is ok
    assert said in finding.detail
    assert bool(finding.advice) == (ok is not True and bool(kind))


def named(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.name: finding for finding in findings}


def test_a_shared_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_TEMPORARY_FOLDERS", ())
    monkeypatch.setattr(place, "filesystem", lambda folder: "ext4")
    tmp_path.chmod(0o2770)
    url = sqlite_url(tmp_path)
    Store(url).close()
    findings = named(look_at(url))
    assert list(findings) == [
        "state folder",
        "state access",
        "state files",
        "state filesystem",
        "state space",
    ]
    assert all(finding.ok for finding in findings.values())
    (tmp_path / "state.db").chmod(0o640)
    closed = named(look_at(url))["state files"]
    assert closed.ok is False
    assert "state.db (" in closed.detail
    assert f"chmod 660 {tmp_path}/state.db*" in closed.advice


def test_looking_makes_nothing(tmp_path: Path) -> None:
    look_at(sqlite_url(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("mode", "ok", "said"),
    [
        (0o2777, False, "anybody"),
        (0o770, False, "not shared"),
        (0o2750, False, "not shared"),
        (0o700, None, "for this user alone"),
    ],
)
def test_a_folder_that_is_not_shared(tmp_path: Path, mode: int, ok: bool | None, said: str) -> None:
    tmp_path.chmod(mode)
    finding = named(look_at(sqlite_url(tmp_path)))["state folder"]
    assert finding.ok is ok
    assert said in finding.detail
    assert f"chmod 2770 {tmp_path}" in finding.advice


def test_a_private_folder_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "state"
    assert "made on first use" in look_at(sqlite_url(folder))[0].detail
    folder.mkdir(mode=0o700)
    assert named(look_at(sqlite_url(folder)))["state folder"].ok


def test_a_folder_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    (finding,) = look_at(sqlite_url(tmp_path / "missing"))
    assert (finding.ok, "install -d" in finding.advice) == (False, True)
    (tmp_path / "file").touch()
    (finding,) = look_at(sqlite_url(tmp_path / "file"))
    assert "not a folder" in finding.detail
    (finding,) = look_at(sqlite_url(tmp_path / "file" / "below"))
    assert finding.ok is False


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 1000, 10, 10, 1, 1, 1, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda path: full)
    assert named(look_at(sqlite_url(tmp_path)))["state space"].ok is False


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert named(look_at(sqlite_url(tmp_path)))["state access"].ok is False


def test_a_wrong_url() -> None:
    (finding,) = look_at("postgresql://u:secret@h/d")
    assert finding.ok is False
    assert "secret" not in repr(finding)


@pytest.mark.parametrize(
    ("finding", "ok"),
    [
        (place._version("10.11.6-MariaDB-log"), True),
        (place._version("10.3.39-MariaDB"), None),
        (place._clock(0.2), True),
        (place._clock(-61.0), None),
        (place._durable("1"), True),
        (place._durable("2"), None),
        (place._cluster("ON")[0], None),
    ],
)
def test_a_server_is_judged(finding: Finding, ok: bool | None) -> None:
    assert finding.ok is ok
    assert bool(finding.advice) != bool(ok)


def test_no_cluster() -> None:
    assert place._cluster("OFF") == []


@pytest.mark.parametrize("folder", ["/", "/tmp", "/srv", "/etc", "/usr/lib"])
def test_the_mode_of_a_folder_that_is_not_the_stores_own_is_left(folder: str) -> None:
    said = advice.share(Path(folder) / "state.db")
    assert said.startswith(f"{folder} is not the state store's own, so leave it as it is")
    assert "chmod" not in said
    for finding in look_at(f"sqlite:///{folder.rstrip('/')}/openstack_ops_test.db"):
        assert not re.search(rf"ch(mod|grp)[^;]* {folder}(;|$)", finding.advice)


def test_a_home_and_a_folder_with_other_things_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state.db"
    assert "chmod 2770" in advice.share(path)
    (tmp_path / "thesis.tex").touch()
    assert "chmod" not in advice.share(path)
    (tmp_path / "thesis.tex").unlink()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "chmod" not in advice.share(path)


def test_advice_can_be_pasted_whatever_the_folder_is_called(tmp_path: Path) -> None:
    path = tmp_path / "my $(reboot) disk" / "state.db"
    path.parent.mkdir()
    for command in (advice.make(path.parent), advice.share(path), advice.open_files(path)):
        assert f"'{path.parent}" in command
