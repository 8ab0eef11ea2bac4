"""Creating things: a table, as of verbs, of which a row says what a thing is made of.

From a row come the runbook and its plan; ``making`` carries it out. What is made
carries the run and the step as marks, which the look-up goes by: a name alone may be anybody's.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from accounts import read_cache
from accounts.cloud import Cloud
from query_api.execution.query import query
from query_api.lookups import things
from query_api.lookups.related import related
from query_api.lookups.things import Thing
from query_api.resources import resource
from verbs import naming
from verbs.verb import Options, Request, Subject, Verb
from workflow_api import (
    Attempt,
    Context,
    Duration,
    ParameterGroup,
    Plan,
    UserError,
    clean,
)
from workflow_api.parameters import Name
from workflow_api.ref import as_parameter

Data = dict[str, Any]
_ANOTHER = "same_name=true makes another one of that name."
Marks = Mapping[str, str]
NewName = Annotated[Name, Meta(description="Its name.")]
ProjectOfNew = Annotated[
    Name,
    Meta(description="The owning project, by name or id; that of the cloud's account if empty."),
]


class Creation(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a table.

    ``name`` is the runbook's and its step's; ``sentence`` a format string over ``name``,
    ``options`` and ``names``. The options have a ``name``; one called ``project`` says for whom
    it is made, by a login to that project unless ``as_admin``: then the request names it.
    ``request(cloud, options, marks)`` sends the change and returns the new id. ``marks_of`` reads
    the marks of what is there; where a kind has none, ``made`` finds it otherwise: it returns the
    things that this attempt can have made. Those that were there before the request are noted,
    and are not taken for it. ``ready`` are the states of one that is whole, () where it is
    so at once. ``complete`` sends what the request cannot say, where one that is there ``lacks``
    it, or ``differs`` from what was asked for. ``delete`` takes it back.

    ``others`` are options that name further things, as of a verb, one or a list; of several things
    of one name, that of the project is meant. ``plain`` are values of those options that name
    nothing. ``completed`` fills in what is to be known of the named things later (given by option,
    with the id of the project): fields that are ``no_parameters``. ``unfit`` yields what
    speaks against it, and may read the cloud; it is given the id of the project that the thing is
    for ("" if that is the account's own). ``notes`` yields what an operator should know.
    ``differs`` says how an existing thing of that name differs from the requested one: with no
    difference there is nothing to do. Without ``differs`` a second thing of the same name is
    refused, unless ``same_name`` is among the options.
    """

    name: str
    summary: str
    subject: Subject
    sentence: str
    options: type[ParameterGroup]
    request: Callable[[Cloud, Options, Marks], str]
    delete: Request
    marks_of: Callable[[Any], Marks] = lambda thing: thing.metadata or {}
    made: Callable[[Cloud, Options, Attempt], Iterable[Any]] | None = None
    complete: Callable[[Cloud, str, Options], None] | None = None
    lacks: Callable[[Any, Options], bool] = lambda thing, options: False
    ready: tuple[str, ...] = ()
    within: Duration = Duration.parse("30m")
    others: Mapping[str, str] = {}
    plain: frozenset[str] = frozenset()
    completed: Callable[[Cloud, Options, Mapping[str, Any], str], Options] = (
        lambda cloud, options, others, project: options
    )
    notes: Callable[[Options], Iterable[str]] = lambda options: ()
    as_admin: bool = False
    unfit: Callable[[Cloud, Options, str], Iterable[str]] = lambda cloud, options, project: ()
    differs: Callable[[Any, Options], Iterable[str]] | None = None

    @property
    def waiting(self) -> Verb:
        """The verb whose end is that the thing is whole."""
        return Verb(
            name=self.name,
            summary=self.summary,
            sentence=self.sentence,
            participle="created",
            request=lambda cloud, id, options: None,
            ends=lambda thing, options: not self.ready or self.subject.state(thing) in self.ready,
            begins=lambda options: frozenset(self.ready),
            outcome=lambda thing, options: f"there: {thing.id}",
            within=self.within,
            options=self.options,
        )


class _Name(msgspec.Struct, frozen=True):
    """The name of what is to be made, which one run at a time may give."""

    kind: str
    name: str
    project: str

    @property
    def subject(self) -> str:
        number = uuid.uuid5(uuid.NAMESPACE_URL, f"{self.kind}/{self.project}/{self.name}")
        return f"new_{self.kind}:{number}"


def plan_of(ctx: Context, cloud: Cloud, row: Creation, made: Any, options: Options) -> Plan:
    """Return the plan that makes a thing, by the step ``made`` of its row.

    What is there already as it is asked for is skipped; what cannot be is refused, with all
    reasons. Raises NotFound and Ambiguous for what the options name.
    """
    others, project = naming.found(cloud, row.others, options, row.plain)
    options = msgspec.structs.replace(options, **naming.ids(others))
    options = row.completed(cloud, options, others, project)
    ctx.claim(_Name(row.subject.name, options.name, project))
    given = {word: as_parameter(value) for word, value in msgspec.structs.asdict(options).items()}
    data: Data = {"name": options.name, "options": given}
    if others:
        data["names"] = naming.names(others)
    sentence = made.definition.describe(data)
    plan = Plan(sentence[:1].upper() + sentence[1:])
    known = _called(cloud, row, options, project)
    if row.differs is not None and known:
        differences = [why for thing in known for why in row.differs(thing, options)]
        if not differences:
            plan.skip(options.name, f"it is there already: {known[0].id}")
            return plan
        plan.refuse(
            f"there is {clean(options.name)} already ({known[0].id}), and {why}"
            for why in differences
        )
    taken = known if not getattr(options, "same_name", False) else []
    plan.refuse(
        [
            *_closed(cloud, row, project, others),
            *(f"there is one called {clean(options.name)} already: {it.id}" for it in taken),
            *row.unfit(cloud, options, project),
        ],
        advice=_ANOTHER if taken and hasattr(options, "same_name") else "",
    )
    for note in row.notes(options):
        plan.note(note)
    plan.add(made, **data)
    return plan


def _closed(cloud: Cloud, row: Creation, project: str, others: Mapping[str, Thing]) -> list[str]:
    """Return why the account cannot log in to the project that it is for, if it cannot."""
    if not project or row.as_admin:
        return []
    try:
        cloud.in_project(project).log_in()
    except UserError:  # its credentials were good for its own project a moment ago
        name = clean(others["project"].name)
        return [f"the account of cloud {cloud.name} has no role in project {name} ({project})"]
    return []


def _called(cloud: Cloud, row: Creation, options: Options, project: str) -> list[Thing]:
    """Return those that have the name already, in the project that the new one is for."""
    of = resource(row.subject.name)
    if read_cache.is_of_many() and of.property("project_id") is not None:
        theirs = related(cloud, of.name, "project_id", [project or cloud.own_project()])
        return [thing for thing in theirs if thing.name == options.name]
    asked = query(of.name).where("name", "equal_to", options.name)
    if of.property("project_id") is not None:
        asked = asked.where("project_id", "equal_to", project or cloud.own_project())
    return things.of_query(cloud, asked)
