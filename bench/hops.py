"""Which modules of lib/ are handed a value on its way to the service that it is for.

A value that is found nowhere else is given to an action; from then until the request or mail with
it leaves, each module of which a function takes it or returns it is counted once. What has been
imported and logged in to is there already: the action has been planned once before.

    python bench/hops.py [--names]
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "lib"), str(TOP / "tests")]

from engine.dispatch import dispatch  # noqa: E402 - found by the line above
from support.fake_cloud import FakeCloud  # noqa: E402
from support.fake_cloud_estate import Hypervisor, Server  # noqa: E402
from support.mail_cloud import mail_cloud, project, server, user  # noqa: E402
from support.runs import Silent, folder, new_state  # noqa: E402

VALUE = "zz-handed-on-77"
_LIB = str(TOP / "lib") + "/"
# How deep in lists, mappings and structs a value is looked for, and in how many items of each.
_DEPTH, _ITEMS = 5, 200


def holds(value: Any, depth: int = 0) -> bool:
    """Return whether the value is in something that a function takes or returns."""
    if isinstance(value, str):
        return VALUE in value
    if isinstance(value, bytes):
        return VALUE.encode() in value
    if depth == _DEPTH:
        return False
    inner: Any = ()
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, (list, tuple, set, frozenset)):
        inner = list(value)
    elif isinstance(value, msgspec.Struct):
        inner = [getattr(value, name, None) for name in value.__struct_fields__]
    return any(holds(one, depth + 1) for one in inner[:_ITEMS])


class Trace:
    """The modules that were handed the value, in the order in which they were."""

    def __init__(self) -> None:
        self.modules: dict[str, None] = {}
        self.watching = False

    def __call__(self, frame: FrameType, event: str, given: Any) -> None:
        code = frame.f_code
        if not self.watching or not code.co_filename.startswith(_LIB):
            return
        module = code.co_filename.removeprefix(_LIB)
        if module in self.modules or event not in ("call", "return"):
            return
        values = [given]
        if event == "call":
            # With *args and **kwargs, which stand behind the arguments.
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 2]
            values = [frame.f_locals.get(name) for name in names if name != "self"]
        if any(map(holds, values)):
            self.modules[module] = None

    def ended_by(self, what: Callable[[Any], bool]) -> list[Any]:
        """Return a list that ends the trace when something of that kind is added to it."""
        trace = self

        class Log(list):  # type: ignore[type-arg]
            def append(self, entry: Any) -> None:
                trace.watching = trace.watching and not what(entry)
                super().append(entry)

        return Log()


def traced(trace: Trace, config: dict[str, Any], name: str, given: dict[str, Any]) -> None:
    """Run an action under the trace. Raises AssertionError if it ends badly or is not seen out."""
    changing = "dry_run" in given
    dispatch(name, {**given, "dry_run": True} if changing else given, config, reporter=Silent())
    threading.setprofile(trace)
    sys.setprofile(trace)
    trace.watching = True
    try:
        kind, result = dispatch(name, given, config, reporter=Silent())
    finally:
        sys.setprofile(None)
        threading.setprofile(None)  # type: ignore[arg-type]
    assert kind == "done", result
    assert not trace.watching, f"{name} sent nothing"


@contextmanager
def small_cloud() -> Iterator[tuple[FakeCloud, dict[str, Any]]]:
    """Run a cloud with one hypervisor, which has the name that is followed."""
    with FakeCloud([Hypervisor(VALUE)], [Server("web-1", VALUE)]) as cloud:
        yield cloud, cloud.config(state_url=new_state(folder() / "state.db"))


def hypervisor() -> Trace:
    """Follow the name of a hypervisor until Nova is told to disable it."""
    trace = Trace()
    with small_cloud() as (cloud, config):
        cloud.requests = trace.ended_by(lambda request: request.method == "PUT")
        given = {"hypervisor": VALUE, "reason": "measured", "dry_run": False}
        traced(trace, config, "hypervisor.disable", given)
    return trace


def where() -> Trace:
    """Follow a word of a condition until Nova is asked."""
    trace = Trace()
    with small_cloud() as (cloud, config):
        cloud.requests = trace.ended_by(lambda request: "/servers" in request.line)
        traced(trace, config, "server.search", {"where": f"host = {VALUE}"})
    return trace


def mail() -> Trace:
    """Follow an owner's address from Keystone's answer until a mail to it is accepted."""
    trace, ann = Trace(), {**user("ann"), "email": f"{VALUE}@example.org"}
    with mail_cloud(server=[server("web-1")], user=[ann], project=[project("shop")]) as post:
        post.smtp.book.accepted = trace.ended_by(lambda mail: True)
        given = {"resource": "server", "subject": "News", "text": "One.", "dry_run": False}
        traced(trace, post.config(), "email.query", given)
    return trace


WAYS = {
    "hypervisor of hypervisor.disable, to Nova": hypervisor,
    "where of server.search, to Nova": where,
    "an address of email.query, from Keystone's answer to SMTP": mail,
}


def main() -> None:
    """Print how many modules each value passes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--names", action="store_true", help="name the modules, too")
    options = parser.parse_args()
    for way, follow in WAYS.items():
        modules = follow().modules
        print(f"{len(modules):3d} {way}")
        if options.names:
            print(*(f"      {module}" for module in modules), sep="\n")


if __name__ == "__main__":
    main()
