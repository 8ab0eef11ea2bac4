"""Where the configuration comes from, and what of it is refused."""

import logging
import os
import pwd
import stat
from pathlib import Path

import pytest

from common.errors import UserError
from local_runner import completion, configuration
from local_runner.configuration import find, read
from local_runner.logs import log_to_file


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OPENSTACK_OPS_CONFIG", raising=False)
    monkeypatch.setattr(
        configuration, "PLACES", ("~/.config/openstack_ops/config.yaml", "~/stackstorm.yaml")
    )
    return tmp_path


def config(path, text="clouds: []\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_places_are_tried_in_order(home, monkeypatch):
    last = config(home / "stackstorm.yaml")
    assert find(None) == last
    usual = config(home / ".config/openstack_ops/config.yaml")
    assert find(None) == usual
    named = config(home / "named.yaml")
    monkeypatch.setenv("OPENSTACK_OPS_CONFIG", str(named))
    assert find(None) == named
    given = config(home / "given.yaml")
    assert find(given) == given


def test_a_named_file_that_is_not_there_is_not_passed_over(home, monkeypatch):
    config(home / "stackstorm.yaml")
    with pytest.raises(UserError, match=r"--config names .*nowhere"):
        find(home / "nowhere.yaml")
    monkeypatch.setenv("OPENSTACK_OPS_CONFIG", str(home / "nowhere.yaml"))
    with pytest.raises(UserError, match=r"\$OPENSTACK_OPS_CONFIG names"):
        find(None)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ("pipe", "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        ("x" * 300, "File name too long"),
        ("~nosuchuser/x", "there is no home folder for ~nosuchuser"),
        ("a\x1b[2J", "No such file"),
    ],
)
def test_a_named_file_that_is_none_is_told(home, monkeypatch, odd, said):
    os.mkfifo(home / "pipe")
    path = odd if odd[0] in "/~" else str(home / odd)
    monkeypatch.setenv("OPENSTACK_OPS_CONFIG", path)
    for given in (Path(path), None):
        with pytest.raises(UserError, match=said) as refused:
            find(given)
        assert "\x1b" not in str(refused.value)
    assert completion.cloud_names(Path(path)) == []


def test_a_usual_place_that_cannot_be_looked_at_is_passed_over(home, monkeypatch):
    last = config(home / "stackstorm.yaml")
    monkeypatch.setattr(
        configuration, "PLACES", (f"~/{'x' * 300}", "~nosuchuser/x", "~/stackstorm.yaml")
    )
    assert find(None) == last


def test_a_file_is_read_within_a_size_and_never_waited_for(home):
    os.mkfifo(home / "pipe")
    (home / "large").write_text("#" * 2**21)
    for name, said in (("pipe", "not a regular file"), ("large", "larger than 1 MiB")):
        with pytest.raises(UserError, match=said):
            read(home / name)


def test_a_user_without_a_home_is_told(home, monkeypatch):
    def unknown(uid):
        raise KeyError(uid)

    path = config(home / "c.yaml")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(UserError, match=r"has no home folder.* Set HOME"):
        read(path)


@pytest.mark.parametrize("odd", ["link", "pipe"])
def test_the_log_is_written_through_nothing(home, monkeypatch, odd):
    folder = configuration.state_folder()
    folder.mkdir(parents=True)
    target = home / "target"
    target.write_text("theirs")
    (folder / "log").symlink_to(target) if odd == "link" else os.mkfifo(folder / "log")
    log = log_to_file()
    logging.getLogger("openstack_ops").error("bug")
    assert "could not be written" in log.note
    assert target.read_text() == "theirs"


def test_no_configuration_names_the_places_and_the_example():
    with pytest.raises(UserError) as missing:
        find(None)
    for word in (
        "--config",
        "$OPENSTACK_OPS_CONFIG",
        "~/.config/openstack_ops/config.yaml",
        "~/stackstorm.yaml",
        "openstack_ops.yaml.example",
    ):
        assert word in str(missing.value)


def test_the_state_is_in_the_home_folder_unless_configured(home):
    settings = read(config(home / "c.yaml"))
    folder = home / ".local/state/openstack_ops"
    assert settings.values["state_url"] == f"sqlite:///{folder}/state.db"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    settings = read(config(home / "c.yaml", "state_url: sqlite:////var/x.db"))
    assert settings.values["state_url"] == "sqlite:////var/x.db"


def test_datastore_expressions_are_refused_by_key(home):
    text = "clouds:\n- name: a\n  auth: {password: '{{ st2kv.system.pw }}'}\n"
    with pytest.raises(UserError, match=r"clouds\[0\]\.auth\.password .*datastore") as refused:
        read(config(home / "c.yaml", text))
    assert "st2kv" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["clouds: [\npassword: hunter2x: y", "password: 'hunter2x", "- hunter2x", "hunter2x", ""],
)
def test_a_file_that_is_no_configuration_is_told_without_its_content(home, text):
    with pytest.raises(UserError, match=r"c\.yaml") as refused:
        read(config(home / "c.yaml", text))
    assert "hunter2x" not in str(refused.value)


def test_a_file_in_another_encoding_is_told(home):
    path = config(home / "c.yaml")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="UTF-8"):
        read(path)


def test_secrets_that_everybody_can_read_are_warned_about(home):
    path = config(home / "c.yaml", "clouds: [{name: a, auth: {password: hunter2x}}]")
    assert read(path).warnings == []
    path.chmod(0o644)
    (warning,) = read(path).warnings
    assert "chmod 600" in warning
    assert "hunter2x" not in warning
    harmless = config(home / "d.yaml")
    harmless.chmod(0o644)
    assert read(harmless).warnings == []
