"""What stands in the skeleton of a runbook: its imports, functions, test and example.

A subject that the lookups know by name is looked up so; any other has its look-up to be filled in.
"""

from __future__ import annotations

from string import Template

#: What marks a place that the author of a runbook has to fill in.
MARK = "FILL IN"
_KNOWN = {
    "server": ("ServerName", "web-1"),
    "hypervisor": ("HypervisorName", "cmp-1"),
}
_ALWAYS = (
    ("typing", "Any"),
    ("accounts.cloud", "Cloud"),
    *(("workflow_api", name) for name in ("Attempt", "Context", "Plan", "clean", "step")),
    ("workflow_api", "workflow"),
)
_THING = '''

class $Thing(msgspec.Struct, frozen=True):
    """What a run claims, and what it is called."""

    id: str
    name: str

    @property
    def subject(self) -> str:
        """What a run claims to be the only one to work on it."""
        return f"$subject:{self.id}"


def find_$subject(cloud: Cloud, wanted: str) -> $Thing:
    """Return the $thing with this id or exactly this name.

    Raises NotFound with near names, or Ambiguous with the ids.
    """
    raise NotImplementedError("$MARK: look the $thing up through query_api")
'''
_RUNBOOK = '''

$heading


def find_$verb(attempt: Attempt, cloud: Cloud, $subject: str, name: str) -> dict[str, Any] | None:
    """Return how an earlier attempt ended, or None if it never began."""
    raise NotImplementedError("$MARK: look whether it happened; change nothing here")


@step("$subject.$verb", "$words {name}", key="{$subject}", find=find_$verb)
def send_$verb(attempt: Attempt, cloud: Cloud, $subject: str, name: str) -> dict[str, Any]:
    """$MARK: what is sent, and when it is over."""
    raise NotImplementedError("$MARK: send the change, and wait for its end with attempt.wait")


@workflow("$subject.$verb", one_object=True, timeout="1h")
def ${verb}_$subject(ctx: Context, cloud: Cloud, $subject: $Name) -> Plan:
    """$MARK: what it does, in a sentence for operators.$described"""
    (found,) = ctx.claimed(lambda: [$find(cloud, $subject)])
    plan = Plan(f"$Words {clean(found.name)}")
$refusal    plan.add(send_$verb, $subject=found.id, name=clean(found.name))
    return plan
'''
_REFUSAL = """    # $MARK: refuse what the cloud would refuse too: a state, a task under way.
    plan.refuse([])
"""
# Whose marks are known is not touched against them.
_PROTECTED = """    reasons = [
        "it is locked" if found.locked else "",
        protected(found.tags, found.metadata, ctx.config.protected),
        # $MARK: what the cloud would refuse, as a state that it cannot be done in.
    ]
    plan.refuse(f"{clean(found.name)} is not touched: {why}" for why in reasons if why)
"""
_TEST = '''"""$subject.$verb against a fake cloud: its plan, its step, a lost answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from workflow_api import UnknownOutcome


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud([Hypervisor("cmp-1")], [Server("web-1")], now=clock.monotonic) as fake:
        yield fake


def test_the_plan_changes_nothing(fake: FakeCloud) -> None:
    plan = drawn(fake.account(), "$subject.$verb", $subject="$example")
    assert [step.sentence for step in plan.steps()] == ["$words $example"]
    assert fake.changes == []


def test_it_is_done_once(fake: FakeCloud, clock: Clock) -> None:
    (step,) = drawn(fake.account(), "$subject.$verb", $subject="$example").steps()
    perform(step, fake.account(), FakeAttempt(wait=clock.wait))
    assert [change.body for change in fake.changes] == ["$MARK: the requests that are sent"]


def test_a_lost_answer_is_looked_up(fake: FakeCloud, clock: Clock) -> None:
    (step,) = drawn(fake.account(), "$subject.$verb", $subject="$example").steps()
    attempt = FakeAttempt(wait=clock.wait)
    fake.fail("(POST|PUT|PATCH|DELETE) (?!.*/tokens)", cut=True, late=True)
    with pytest.raises(UnknownOutcome):
        perform(step, fake.account(), attempt)
    assert look_up(step, fake.account(), attempt) is not None
'''


def imports(subject: str, present: set[str]) -> list[tuple[str, str]]:
    """Return what the skeleton needs beside what is present: modules, and a name of each."""
    needed = [*_ALWAYS]
    if subject in _KNOWN:
        needed += [("query_api.lookups", "compute")]
        needed += [("workflow_api.parameters", _KNOWN[subject][0])]
    elif f"find_{subject}" not in present:
        needed += [("", "msgspec")]
    if subject == "server":
        needed += [("protection.marks", "protected")]
    return [(module, name) for module, name in needed if name not in present]


def functions(subject: str, verb: str) -> list[str]:
    """Return the names of the functions that a skeleton adds to the subject's module."""
    return [f"find_{verb}", f"send_{verb}", f"{verb}_{subject}"]


def new_module(subject: str) -> str:
    """Return the beginning of a module for a subject that has none yet."""
    said = f'"""Runbooks about {subject.replace("_", " ")}s."""'
    return f"{said}\n\nfrom __future__ import annotations\n"


def runbook(subject: str, verb: str, present: set[str]) -> str:
    """Return the functions of a runbook, for a module that has those names."""
    own_look = subject not in _KNOWN and f"find_{subject}" not in present
    return _filled(_THING * own_look + _RUNBOOK, subject, verb)


def test(subject: str, verb: str) -> str:
    """Return the runbook's test."""
    return _filled(_TEST, subject, verb)


def example(subject: str) -> str:
    """Return the parameters of an example, as YAML."""
    return f"{{{subject}: {_KNOWN.get(subject, ('', f'{subject}-1'))[1]}}}"


def heading(subject: str, verb: str) -> str:
    """Return the line in a module below which a runbook stands."""
    return f"# -- {subject}.{verb} ".ljust(96, "-")


def _filled(text: str, subject: str, verb: str) -> str:
    refusal = _PROTECTED if subject == "server" else _REFUSAL
    text = text.replace("$refusal", refusal).replace("$heading", heading(subject, verb))
    known = subject in _KNOWN
    words = verb.replace("_", " ")
    line = f"\n\n    {subject}: The {subject.replace('_', ' ')}, by name or id.\n    "
    return Template(text).substitute(
        subject=subject,
        verb=verb,
        words=words,
        thing=subject.replace("_", " "),
        Words=words.capitalize(),
        Thing="".join(part.capitalize() for part in subject.split("_")),
        Name=_KNOWN[subject][0] if known else "str",
        find=f"compute.find_{subject}" if known else f"find_{subject}",
        described="" if known else line,
        example=_KNOWN[subject][1] if known else f"{subject}-1",
        MARK=MARK,
    )
