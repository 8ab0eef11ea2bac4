"""The plan of a verb: one step, or the reason why there is none."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
from verbs.verb import Options, Subject, Verb
from workflow_api import Context, Plan, clean
from workflow_api.ref import as_parameter


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

    What is so already is skipped; what cannot be is refused. Raises NotFound and Ambiguous.
    """
    (thing,) = ctx.claimed(lambda: [subject.find(cloud, wanted)])
    name = clean(thing.name)
    given = {word: as_parameter(value) for word, value in msgspec.structs.asdict(options).items()}
    data = {"id": thing.id, "name": name, "options": given}
    sentence = step.definition.describe(data)
    plan = Plan(sentence[:1].upper() + sentence[1:])
    if verb.is_so(subject, thing):
        plan.skip(name, f"it is {verb.outcome(subject, thing)} already")
    elif why := verb.refusal(subject, thing, options, ctx.config):
        plan.refuse([f"{name} cannot be {verb.participle}: {why}"])
    else:
        plan.add(step, **data)
    return plan
