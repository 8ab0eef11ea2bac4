"""The plan of a verb: one step, or the reason why there is none."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
from verbs.verb import Kept, Options, Subject, Verb
from workflow_api import Context, Plan, clean
from workflow_api.ref import as_parameter
from workflow_api.step import step_named


def plan_of(
    ctx: Context,
    cloud: Cloud,
    subject: Subject,
    verb: Verb,
    step: Any,
    wanted: str,
    options: Options,
) -> Plan:
    """Return the plan that carries a verb out on what is called so, or has this id.

    What is so already is skipped; what cannot be is refused, with all reasons. Raises NotFound
    and Ambiguous.
    """
    thing, others = _found(ctx, cloud, subject, verb, wanted, options)
    name = clean(thing.name)
    options = msgspec.structs.replace(options, **{word: it.id for word, it in others.items()})
    options = verb.completed(cloud, thing, options)
    given = {word: as_parameter(value) for word, value in msgspec.structs.asdict(options).items()}
    data: dict[str, Any] = {"id": thing.id, "name": name, "options": given}
    if verb.others:
        data["names"] = {
            word: clean(others[word].name) if word in others else "" for word in verb.others
        }
    sentence = step.definition.describe(data)
    plan = Plan(sentence[:1].upper() + sentence[1:])
    if verb.is_done(subject, thing, options):
        plan.skip(name, f"it is {verb.outcome_of(subject, thing, options)} already")
        return plan
    reasons = verb.refusals(subject, cloud, thing, options, ctx.config)
    kept = bool(subject.kept(thing, ctx.config, verb))
    kept |= any(isinstance(why, Kept) for why in reasons)
    plan.refuse((f"{name} {verb.refused}: {why}" for why in reasons), kept=kept)
    for note in verb.notes(cloud, thing, options):
        plan.note(note)
    verb.before(ctx, plan, thing, options)
    plan.add(step, **data)
    for name_of_next in verb.then(options):
        plan.add(step_named(name_of_next).function, id=thing.id, name=name, options={})
    return plan


def _found(
    ctx: Context, cloud: Cloud, subject: Subject, verb: Verb, wanted: str, options: Options
) -> tuple[Any, dict[str, Any]]:
    """Return the thing, read once more after it was claimed, and others that the options name."""
    others = {word: _other(cloud, verb, word, options) for word in _named(verb, options)}

    def read() -> list[Any]:
        found = subject.find(cloud, wanted)
        seen = verb.look(cloud, found.id) if verb.look else found
        again = (_other(cloud, verb, word, options) for word in others if word in verb.claims)
        return [seen if seen is not None else found, *again]

    thing, *claimed = ctx.claimed(read)
    others |= dict(zip((word for word in others if word in verb.claims), claimed, strict=True))
    return thing, others


def _named(verb: Verb, options: Options) -> list[str]:
    return [word for word in verb.others if getattr(options, word) is not None]


def _other(cloud: Cloud, verb: Verb, word: str, options: Options) -> Any:
    from query_api.lookups import things

    return things.find(cloud, verb.others[word], getattr(options, word))
