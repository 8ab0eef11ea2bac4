"""What all actions of a kind have alike: ``dry_run``, ``output``, who asks, the timeout."""

from __future__ import annotations

import typing
from typing import Any

from common.duration import Duration
from common.table import FORMS
from workflow_api.workflow import RunRequest, Workflow

Given = dict[str, Any]
_STRING: Given = {"type": "string"}


def common(known: Workflow) -> dict[str, Given]:
    """Return the parameters of an action that are the dispatcher's business."""
    if known.changes:
        return {**_changing(known), **_identity(known.name)}
    if _answer_of(known) is RunRequest:
        return _identity(known.name)
    return {**_answer(), **_identity(known.name)}


def timeout(known: Workflow) -> Given:
    """Return the runner's timeout, in seconds."""
    said = "Seconds after which StackStorm kills the action"
    if known.changes or _answer_of(known) is RunRequest:
        said += "; a run stops shortly before"
    return {"description": f"{said}.", "default": int(Duration.parse(known.timeout))}


def _answer_of(known: Workflow) -> Any:
    return typing.get_type_hints(known.function)["return"]


def _changing(known: Workflow) -> dict[str, Given]:
    does = "sends" if known.name.startswith("email.") else "changes"
    shows = f"shows the plan and {does} nothing"
    dry = f"On unless you untick it: {shows}."
    if known.one_object:
        dry = f"Off unless you tick it: then it {shows}."
    bound = "Refuse a plan with more changes than this; limits.max_changes if empty."
    ticket = "The ticket or change behind this request; kept in the journal."
    trigger = "For rules: the trigger instance, so that nothing is started twice."
    return {
        "dry_run": {"description": dry, "type": "boolean", "default": not known.one_object},
        "max_changes": {"description": bound, "type": "integer", "minimum": 0},
        "ticket": {"description": ticket, **_STRING},
        "trigger_id": {"description": trigger, **_STRING},
    }


def _answer() -> dict[str, Given]:
    path = "Also write the whole table to this absolute path on the action runner."
    form = "The form of the text in the result."
    return {
        "output": {"description": form, **_STRING, "enum": list(FORMS), "default": "text"},
        "output_file": {"description": path, **_STRING},
    }


def _identity(name: str) -> dict[str, Given]:
    said = {
        "workflow": ("The workflow behind this action.", name),
        "requested_by": (
            "The user who started the action, from StackStorm.",
            "{{ action_context.user }}",
        ),
        "deadline": ("The timeout, so that a run stops in time.", "{{ timeout }}"),
    }
    return {
        parameter: {"description": text, **_STRING, "immutable": True, "default": default}
        for parameter, (text, default) in said.items()
    }
