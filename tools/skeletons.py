"""What stands in the skeleton of a runbook: its imports, functions, test and example.

A subject that is a resource of the query, as volume, is looked up by its table; any other has its
look-up to be filled in.
"""

from __future__ import annotations

from collections import Counter
from string import Template

from examples import all_examples
from query_api.language.schema import Resource
from query_api.resources import names, resource
from workflow_api import parameters

#: What marks a place that the author of a runbook has to fill in.
MARK = "FILL IN"
# What has a look-up of its own, which sees more than its table's listing has.
_COMPUTE = ("server", "hypervisor")
# Types of the vocabulary that are not called as their resource.
_TYPES = {"aggregate": "HostAggregateName", "volume_snapshot": "SnapshotName"}
# Where a resource keeps the metadata that may have a mark.
_METADATA = ("metadata", "properties", "extra_specs")
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
    (found,) = ctx.claimed(lambda: [$find])
    plan = Plan(f"$Words {clean(found.name)}")
$refusal    plan.add(send_$verb, $subject=found.id, name=clean(found.name))
    return plan
'''
_REFUSAL = """    # $MARK: refuse what the cloud would refuse too: a state, a task under way.
    plan.refuse([])
"""
# Whose marks are known is not touched against them.
_PROTECTED = """    reasons = [$locked
        protected($tags, $metadata, ctx.config.protected),
        # $MARK: what the cloud would refuse, as a state that it cannot be done in.
    ]
    plan.refuse(f"{clean(found.name)} is not touched: {why}" for why in reasons if why)
"""
# For what the fake cloud cannot be asked for by name.
_SOME = 'place(fake, "server", "web-1")'
_TEST = '''"""$subject.$verb against a fake cloud: its plan, its step, a lost answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.example_things import place
from support.fake_cloud import FakeCloud
from support.fake_cloud_runs import Clock, FakeAttempt, drawn, look_up, perform
from workflow_api import UnknownOutcome


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> Iterator[FakeCloud]:
    with FakeCloud(now=clock.monotonic) as fake:
        $place
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
    needed = [*_ALWAYS, ("workflow_api.parameters", _type(subject))]
    if subject in _COMPUTE:
        needed += [("query_api.lookups", "compute")]
    elif is_known(subject):
        needed += [("query_api.lookups", "things")]
    elif f"find_{subject}" not in present:
        needed += [("", "msgspec")]
    if _marks(subject):
        needed += [("protection.marks", "protected")]
    return [(module, name) for module, name in needed if name not in present]


def is_known(subject: str) -> bool:
    """Return whether a subject is a resource of which one can be looked up by its name or id."""
    return subject in names() and _is_one(resource(subject))


def _is_one(of: Resource) -> bool:
    is_named = of.property("name") is not None or of.listings[0].service == "network"
    return of.key == "id" and is_named


def _type(subject: str) -> str:
    """Return the parameter's type: the vocabulary's own for a resource, if it has one."""
    camel = "".join(part.capitalize() for part in subject.split("_"))
    name = _TYPES.get(subject, f"{camel}Name")
    return name if is_known(subject) and hasattr(parameters, name) else "Name"


def _marks(subject: str) -> dict[str, str]:
    """Return where a thing has the marks that protect it; nothing if it can have none."""
    if not is_known(subject) or subject == "hypervisor":
        return {}
    listed = {prop.name for prop in resource(subject).properties if prop.is_listed}
    metadata = [name for name in _METADATA if name in listed]
    if not metadata and "tags" not in listed:
        return {}
    return {
        "tags": "found.tags" if "tags" in listed else "()",
        "metadata": f"found.{metadata[0]}" if metadata else "{}",
        "locked": '\n"it is locked" if found.locked else "",' if "locked" in listed else "",
    }


def functions(subject: str, verb: str) -> list[str]:
    """Return the names of the functions that a skeleton adds to the subject's module."""
    return [f"find_{verb}", f"send_{verb}", f"{verb}_{subject}"]


def new_module(subject: str) -> str:
    """Return the beginning of a module for a subject that has none yet."""
    said = f'"""Runbooks about {subject.replace("_", " ")}s."""'
    return f"{said}\n\nfrom __future__ import annotations\n"


def runbook(subject: str, verb: str, present: set[str]) -> str:
    """Return the functions of a runbook, for a module that has those names."""
    own_look = not is_known(subject) and f"find_{subject}" not in present
    return _filled(_THING * own_look + _RUNBOOK, subject, verb)


def test(subject: str, verb: str) -> str:
    """Return the runbook's test."""
    return _filled(_TEST, subject, verb)


def example(subject: str) -> str:
    """Return the parameters of an example, as YAML."""
    return f"{{{subject}: {_called(subject)}}}"


def _called(subject: str) -> str:
    """Return what most examples call a thing of a subject."""
    called = Counter(given[subject] for given in all_examples().values() if subject in given)
    return str(called.most_common(1)[0][0]) if called else f"{subject}-1"


def heading(subject: str, verb: str) -> str:
    """Return the line in a module below which a runbook stands."""
    return f"# -- {subject}.{verb} ".ljust(96, "-")


def _filled(text: str, subject: str, verb: str) -> str:
    marks = _marks(subject)
    text = text.replace("$refusal", _PROTECTED if marks else _REFUSAL)
    text = text.replace("$heading", heading(subject, verb))
    words, thing, example = verb.replace("_", " "), subject.replace("_", " "), _called(subject)
    line = f"\n\n    {subject}: The {thing}, by name or id.\n    "
    find = f"compute.find_{subject}(cloud, {subject})"
    if subject not in _COMPUTE:
        by_table = f'things.find(cloud, "{subject}", {subject})'
        find = by_table if is_known(subject) else f"find_{subject}(cloud, {subject})"
    there = f'place(fake, "{subject}", "{example}")'
    return Template(text).substitute(
        marks,
        subject=subject,
        verb=verb,
        words=words,
        thing=thing,
        Words=words.capitalize(),
        Thing="".join(part.capitalize() for part in subject.split("_")),
        Name=_type(subject),
        find=find,
        described=line if _type(subject) == "Name" else "",
        example=example,
        place=there if is_known(subject) else f"# {MARK}: what {thing} there is\n        {_SOME}",
        MARK=MARK,
    )
