"""Files that a parameter names: what is read, and where and over what is written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from accounts.cloud import Cloud
from accounts.config import load
from accounts.smtp import SmtpAccount
from common.files import Places, read_regular
from email_api.connecting import _context
from engine.output_file import OutputFile
from workflow_api import UserError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def write(place: Path, path: Path | str, text: str = "new\n") -> None:
    OutputFile(str(path), Places([str(place)])).write(text)


def test_only_regular_files_of_a_sane_size_are_read(tmp_path: Path) -> None:
    pipe, large, file = tmp_path / "pipe", tmp_path / "large", tmp_path / "file"
    os.mkfifo(pipe)
    large.write_bytes(bytes(11))
    file.write_text("good")
    assert read_regular(file) == b"good"
    for odd in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(odd)
    with pytest.raises(OSError, match="it is larger than"):
        read_regular(large, most=10)


def test_what_the_kernel_makes_up_is_refused_whatever_it_says() -> None:
    for odd in ("/proc/self/status", "/proc/self/environ"):
        assert stat.S_ISREG(os.stat(odd).st_mode), "as it says itself"
        with pytest.raises(OSError, match="not a regular file"):
            read_regular(odd)
    with pytest.raises(OSError):  # whoever reads it takes away what others are to read
        read_regular("/proc/kmsg")


def test_odd_names_are_refused(tmp_path: Path) -> None:
    for odd in (f"{tmp_path}/a\0b", f"{tmp_path}/{'x' * 300}"):
        with pytest.raises(OSError) as refused:
            read_regular(odd)
        assert refused.value.strerror


@pytest.mark.parametrize("key", ["cacert", "cert", "key"])
@pytest.mark.parametrize("odd", ["pipe", "device", "folder", "large", "NUL"])
def test_certificates_are_regular_files(key: str, odd: str, tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe", tmp_path / "large"
    os.mkfifo(pipe)
    os.truncate(os.open(large, os.O_CREAT | os.O_WRONLY), 2**30)
    path = {"pipe": pipe, "device": "/dev/zero", "folder": tmp_path, "large": large, "NUL": "a\0b"}[
        odd
    ]
    login = {"auth_url": "https://127.0.0.1:9", "username": "u", "password": "open sesame"}
    files = {"cert": __file__, key: str(path)} if key == "key" else {key: str(path)}
    entry = {"name": "x", "auth": login, **files}
    cloud = Cloud.from_config(load({"clouds": [entry]}), "x")
    if (key, odd) == ("cacert", "folder"):
        assert cloud.reach.cacert == str(tmp_path), "one of hashed certificates"
        return
    with pytest.raises(UserError, match=f"which {key} names, cannot be read: "):
        _ = cloud.session


@pytest.mark.parametrize("odd", ["pipe", "/dev/zero"])
def test_a_mail_servers_authority_is_a_regular_file(odd: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = str(tmp_path / odd)
    entry = {"name": "mail", "host": "127.0.0.1", "sender": "a@example.org", "cacert": path}
    account = SmtpAccount.from_config(load({"smtp_accounts": [entry]}), "mail")
    with pytest.raises(UserError, match=r"cacert .*: it is not a regular file"):
        _context(account)


@pytest.mark.parametrize("folder", ["out", "~/out", ""])
def test_allowed_folders_are_absolute(folder: str) -> None:
    config = load({"state_url": "sqlite:////x/state.db", "files": {"allowed": ["/a", folder]}})
    with pytest.raises(UserError, match=r"files\.allowed has what is no absolute path"):
        _ = config.places


def test_what_is_ours_is_replaced_and_nothing_else(place: Path) -> None:
    file = place / "report.csv"
    for text in ("one\n", "two\n"):
        write(place, file, text)
        assert file.read_text() == text
    file.write_text("edited by a person")
    with pytest.raises(UserError, match="was not written by this pack or was edited since"):
        write(place, file)
    assert file.read_text() == "edited by a person"
    file.unlink()
    write(place, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.listdir(place) == ["report.csv"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/etc/cron.d/x", "lies outside the folders that files are written to"),
        ("{out}/../state.db", "lies outside"),
        ("{out}-other/x", "lies outside"),
        ("{out}/away/x", "lies outside"),
        ("{out}/link", "it is a symbolic link"),
        ("{out}/pipe", "is no regular file"),
        ("{out}/nowhere/x", "No such file"),
        ("{out}/file/x", "is no folder"),
        ("{out}/a\x1b[2J/x", "has a control character"),
        ("{out}/" + "x" * 300, "more than 255 bytes"),
        ("{out}/" + "x" * 300 + "/x", "more than 255 bytes"),
        ("{out}/", "it names no file"),
        ("out/x", "must be an absolute path"),
    ],
)
def test_nothing_is_written_elsewhere(place: Path, path: str, said: str) -> None:
    target = place.parent / "target"
    target.write_text("theirs")
    (place / "link").symlink_to(target)
    (place / "away").symlink_to("/etc")
    (place / "file").write_text("x")
    os.mkfifo(place / "pipe")
    before = sorted(place.parent.rglob("*"))
    with pytest.raises(UserError, match=said):
        write(place, path.format(out=place))
    assert (target.read_text(), sorted(place.parent.rglob("*"))) == ("theirs", before)


def test_a_folder_that_becomes_a_link_is_not_followed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a").mkdir()
    file = OutputFile(str(place / "a" / "x"), Places([str(place)]))
    (place / "a").rmdir()
    (place / "a").symlink_to(place.parent)
    # As if it were swapped after it was looked at.
    monkeypatch.setattr(os.path, "realpath", lambda path: os.fspath(path))
    with pytest.raises(UserError, match="a symbolic link leads elsewhere"):
        file.write("x")
    assert os.listdir(place.parent) == ["out"]


def test_by_default_files_lie_beside_the_state_store(tmp_path: Path) -> None:
    config = load({"state_url": f"sqlite:///{tmp_path}/state.db"})
    OutputFile(f"{tmp_path}/out/x", config.places).write("x")
    assert (tmp_path / "out" / "x").read_text() == "x"
    for path in (f"{tmp_path}/state.db", f"{tmp_path}/x"):
        with pytest.raises(UserError, match="lies outside"):
            OutputFile(path, config.places)
    assert load({"state_url": "mariadb://u:p@h/d"}).places.allowed == (
        "/var/lib/openstack_ops/out",
    )
