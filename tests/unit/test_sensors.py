"""Sensors as StackStorm runs them: what is news arrives, and a poll never raises."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from observers.observer import names
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor
from support.fake_cloud_tables import Tables
from support.runs import toy_house

TOP = Path(__file__).parents[2]
STANDIN = TOP / "tests" / "support" / "st2_standin"
SCRIPT = TOP / "tests" / "support" / "st2_sensor.py"
SOURCES = TOP / "sensors" / "src"
SECRET = "throwaway-s3cret"
#: What StackStorm has of what this pack needs too, as its requirements pin it.
PINS = ("stevedore==5.3.0", "requests==2.32.4", "jsonschema==4.26.0", "eventlet==0.40.3")
EVENT = {"trigger": "toy", "payload": {"id": "1"}}
END = {"end": {"every": 33.0, "timeout": 5.0, "said": []}}


class Service:
    """What a sensor is given: it keeps what is dispatched and logged."""

    def __init__(self) -> None:
        self.dispatched: list[tuple[str, Any]] = []
        self.logged: list[str] = []
        self.fails: Exception | None = None

    def get_logger(self, name: str) -> Service:
        return self

    def dispatch(self, trigger: str, payload: Any = None) -> None:
        if self.fails:
            raise self.fails
        self.dispatched.append((trigger, payload))

    def error(self, message: str, *values: Any) -> None:
        self.logged.append(message % values)

    info = error


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    if importlib.util.find_spec("st2reactor") is None:
        monkeypatch.syspath_prepend(str(STANDIN))
    spec = importlib.util.spec_from_file_location("observer_sensor", SOURCES / "observer_sensor.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    # Nothing but the standard library is imported by what stands in for a poll.
    monkeypatch.setattr(found, "python", lambda: sys.executable)
    yield found
    for name in [name for name in sys.modules if name.partition(".")[0] == "st2reactor"]:
        del sys.modules[name]


def sensor(module: ModuleType, program: str, **config: Any) -> Any:
    """Return a sensor whose poll is a program; it has ``say`` and ``heard``."""
    head = "import json, sys\nsay = lambda one: print(json.dumps(one), flush=True)\n"
    head += "heard = lambda: json.loads(sys.stdin.readline())\n"
    module.PROGRAM = head + program  # type: ignore[attr-defined]

    class Toy(module.ObserverSensor):  # type: ignore[name-defined, misc]
        observer = "toy"

    return Toy(Service(), config=config)


def test_what_is_news_is_dispatched_and_then_confirmed(module: ModuleType, tmp_path: Path) -> None:
    toy = sensor(
        module,
        f"asked = heard()\nsay({{'event': {EVENT}}})\nsay({END})\n"
        f"open({str(tmp_path / 'heard')!r}, 'w').write(json.dumps([asked, heard()]))\n"
        "say({'confirmed': 1})",
        clouds=[{"name": "x"}],
    )
    toy.poll()
    assert toy.sensor_service.dispatched == [("openstack_ops.toy", {"id": "1"})]
    asked, confirmed = json.loads((tmp_path / "heard").read_text())
    assert (asked["observer"], asked["config"]) == ("toy", {"clouds": [{"name": "x"}]})
    assert confirmed == {"dispatched": ["1"]}
    assert toy.get_poll_interval() == 33.0
    assert toy.sensor_service.logged == []


def test_what_was_not_dispatched_is_not_confirmed(module: ModuleType, tmp_path: Path) -> None:
    toy = sensor(
        module,
        f"heard()\nsay({{'event': {EVENT}}})\nsay({END})\n"
        f"open({str(tmp_path / 'heard')!r}, 'w').write(sys.stdin.read())",
    )
    toy.sensor_service.fails = ConnectionError("no broker")
    toy.poll()
    assert (tmp_path / "heard").read_text() == ""
    assert toy.sensor_service.logged == [
        "toy: openstack_ops.toy could not be dispatched: no broker"
    ]


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("heard()", "ended with 0 and without an answer"),
        ("heard()\nsys.exit(3)", "ended with 3 and without an answer"),
        ("import nothing_like_it", "No module named 'nothing_like_it'"),
        ("heard()\nprint('nonsense')", "JSONDecodeError"),
        ("heard()\nprint('[1]')", "Error"),
        ("heard()\nsay({'end': {'said': ['x: no connection']}})", "toy: x: no connection"),
    ],
)
def test_a_poll_never_raises(module: ModuleType, program: str, says: str) -> None:
    toy = sensor(module, program)
    toy.poll()
    toy.poll()
    (logged,) = toy.sensor_service.logged
    assert says in logged, "and says it once"


def test_a_poll_that_hangs_is_killed_with_what_it_started(
    module: ModuleType, tmp_path: Path
) -> None:
    module.FIRST_TIMEOUT = 0.4  # type: ignore[attr-defined]
    program = (
        "import subprocess, time\n"
        "one = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(one.pid))\n"
        "time.sleep(60)"
    )
    toy = sensor(module, program)
    began = time.monotonic()
    toy.poll()
    assert time.monotonic() - began < 4
    assert "longer than its timeout" in toy.sensor_service.logged[0]
    state = Path(f"/proc/{(tmp_path / 'pid').read_text()}/stat")
    for _ in range(100):
        if not state.exists() or state.read_text().split()[2] == "Z":
            break
        time.sleep(0.02)
    else:
        pytest.fail("what it started is still there")


def test_a_large_configuration_and_a_large_answer_pass(module: ModuleType) -> None:
    toy = sensor(
        module,
        "size = len(heard()['config']['x'])\n"
        "payload = {'id': '1', 'size': size, 'x': 'y' * size}\n"
        "say({'event': {'trigger': 'toy', 'payload': payload}})\n"
        f"say({END})\nheard()\nsay({{'confirmed': 1}})",
        x="z" * 500_000,
    )
    toy.poll()
    ((_, payload),) = toy.sensor_service.dispatched
    assert (payload["size"], len(payload["x"])) == (500_000, 500_000)


def test_a_poll_is_given_no_python_of_stackstorms(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/opt/stackstorm/st2/lib")
    monkeypatch.setenv("ST2_AUTH_TOKEN", SECRET)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    given = module.environment()
    assert given["https_proxy"] == "http://proxy:3128"
    assert not {"PYTHONPATH", "ST2_AUTH_TOKEN"} & given.keys()


def test_each_sensor_imports_the_standard_library_and_st2reactor_alone() -> None:
    for path in SOURCES.glob("*.py"):
        words = [line.split() for line in path.read_text().splitlines()]
        imported = {
            line[1].partition(".")[0] for line in words if line[:1] in (["import"], ["from"])
        }
        allowed = {*sys.stdlib_module_names, "st2reactor", "observer_sensor"}
        assert imported <= allowed, path


@pytest.mark.parametrize("name", names())
def test_each_sensor_is_of_its_observer(name: str) -> None:
    given = yaml.safe_load((TOP / "sensors" / f"{name}.yaml").read_text())
    source = (TOP / "sensors" / given["entry_point"]).read_text()
    assert f"class {given['class_name']}(ObserverSensor):" in source
    assert f'observer = "{name}"' in source
    # What SensorTypeAPI of StackStorm 3.9 takes.
    known = {"class_name", "entry_point", "description", "poll_interval", "enabled"}
    assert given.keys() == known


# -- with a cloud, in a process as StackStorm's --------------------------------------------------


def polled(config: dict[str, Any], *, first: list[Path], how: str = "", polls: int = 2) -> Any:
    """Return what a sensor's process has written, with these folders first on its path."""
    source = SOURCES / "hypervisor_state_sensor.py"
    words = [str(source), "HypervisorStateSensor", str(polls), *([how] if how else [])]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        input=json.dumps(config),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*first, STANDIN]))},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def site() -> Iterator[dict[str, Any]]:
    with toy_house() as (house, _), FakeCloud([Hypervisor("cmp-1", state="down")]) as fake:
        fake.part(Tables)
        sensors = {"hypervisor_state": {"steady_looks": 1, "every": "45s"}}
        yield fake.config(state_url=house.state_url, sensors=sensors)


def check(lines: Any) -> None:
    event, end = lines
    assert event["trigger"] == "openstack_ops.hypervisor_state"
    assert (event["payload"]["state"], event["payload"]["name"]) == ("DOWN", "cmp-1")
    assert end == {"interval": 45.0}


@pytest.mark.long
def test_a_broken_library_before_ours_harms_nothing(site: dict[str, Any], tmp_path: Path) -> None:
    for name in ("stevedore", "requests", "msgspec", "sqlalchemy", "keystoneauth1"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('of StackStorm')\n")
    check(polled(site, first=[tmp_path]))


@pytest.mark.long
@pytest.mark.parametrize("how", ["", "eventlet"])
def test_a_sensor_polls_with_stackstorms_own_libraries(
    site: dict[str, Any], tmp_path: Path, how: str
) -> None:
    """First on the path, as StackStorm has them, and with the modules that it replaces."""
    uv = Path(sys.prefix) / "bin" / "uv"
    install = [str(uv), "pip", "install", "--quiet", "--target", str(tmp_path), *PINS]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no package index: {done.stderr.strip()[-200:]}")
    check(polled(site, first=[tmp_path], how=how))
