"""Toy steps that can be done in part: one in two changes, and one of many small ones."""

from __future__ import annotations

from typing import Any

from support.sample_runbooks import STEPS, Yard
from workflow_api import (
    Attempt,
    Begun,
    CloudError,
    Interrupted,
    StepFailed,
    UnknownOutcome,
    step,
)


def find_built(yard: Yard, name: str) -> dict[str, Any] | Begun | None:
    """Say how far a house is."""
    if yard.world.fault(name, "unanswered"):
        raise CloudError("The look-up was not answered.", status=503)
    found = yard.world.things.get(name)
    if found == "walls":
        return Begun(f"{name} has no roof yet", floors=1)
    return {"said": f"{name} is built"} if found == "house" else None


def roof(yard: Yard, name: str) -> dict[str, Any]:
    """Put the roof on, which is all that a house with walls needs."""
    if yard.world.fault(name, "stuck"):
        raise CloudError("There are no tiles.", status=403)
    if yard.world.things.get(name) != "house":
        yard.world.change("roof", name, "house")
    return {"said": f"{name} is built"}


def raze(yard: Yard, name: str) -> None:
    """Take down what there is of it."""
    if name in yard.world.things:
        yard.world.change("raze", name, None)


@step("toy_parts.build", "build {name}", key="{name}", find=find_built, finish=roof, undo=raze)
def build(attempt: Attempt, yard: Yard, name: str, seconds: float = 0.0) -> dict[str, Any]:
    """Raise the walls and put the roof on, as a cold migration is asked for and confirmed."""
    if yard.world.fault(name, "failed"):
        raise StepFailed(f"There is no ground for {name}.")
    if yard.world.things.get(name) != "walls":
        yard.world.change("raise", name, "walls")
        if yard.world.fault(name, "lost"):
            raise UnknownOutcome("No answer came.")
    if seconds:
        attempt.wait(seconds)
    return roof(yard, name)


def find_posted(yard: Yard, name: str, letters: int) -> dict[str, Any] | Begun | None:
    """Say how many letters are posted."""
    posted = sum(what.startswith(f"post {name}-") for what in yard.world.effects)
    if posted == letters:
        return {"said": f"{letters} letters posted"}
    return Begun(f"{posted} of {letters} letters posted", posted=posted) if posted else None


@step("toy_parts.post", "post {letters} letters of {name}", key="{name}", find=find_posted)
def post(
    attempt: Attempt, yard: Yard, name: str, letters: int = 6, seconds: float = 0.0
) -> dict[str, Any] | Begun:
    """Post letters one by one; between two of them the step can be left."""
    for number in range(letters):
        if f"post {name}-{number}" in yard.world.effects:
            continue
        try:
            attempt.wait(seconds, between=True)
        except Interrupted:
            found = find_posted(yard, name, letters)
            if isinstance(found, Begun):
                return found
            raise
        yard.world.change("post", f"{name}-{number}", "posted")
    return {"said": f"{letters} letters posted"}


STEPS.update(build=build, post=post)
