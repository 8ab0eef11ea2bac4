"""Where the configuration comes from, and what of it is refused."""

import stat

import pytest

from local_runner import configuration
from local_runner.configuration import find, read
from workflow_api.errors import UserError


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
