"""The runbooks of tables. Annotations are evaluated here: the options of a row are one of them."""

from collections.abc import Iterable

import msgspec

from accounts.cloud import Cloud
from verbs import creation, making
from verbs.creation import Creation
from verbs.following import step_of
from verbs.planning import plan_of
from verbs.verb import Subject, Verb
from workflow_api import Context, Duration, Plan, workflow


def register(subject: Subject, verbs: Iterable[Verb]) -> None:
    """Register a runbook and a step for each verb of a subject."""
    known = {verb.name: verb for verb in verbs}
    for verb in known.values():
        _register(subject, verb, step_of(subject, verb, known))


def _register(subject: Subject, verb: Verb, step: object) -> None:
    def change(
        ctx: Context,
        cloud: Cloud,
        about: subject.about,  # type: ignore[name-defined] # types that the tables say
        *,
        options: verb.options,  # type: ignore[name-defined]
    ) -> Plan:
        (wanted,) = msgspec.structs.astuple(about)
        return plan_of(ctx, cloud, subject, verb, step, wanted, options)

    change.__doc__ = verb.summary
    workflow(verb.name, one_object=not verb.gone, timeout=verb.timeout)(change)


def register_creations(rows: Iterable[Creation]) -> None:
    """Register a runbook and a step for each kind of thing that is created."""
    for row in rows:
        _register_creation(row, making.step_of(row))


def _register_creation(row: Creation, step: object) -> None:
    def create(
        ctx: Context,
        cloud: Cloud,
        *,
        options: row.options,  # type: ignore[name-defined]
    ) -> Plan:
        return creation.plan_of(ctx, cloud, row, step, options)

    create.__doc__ = row.summary
    workflow(row.name, one_object=True, timeout=str(Duration(row.within + 600)))(create)
