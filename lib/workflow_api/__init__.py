"""What a runbook is made of. Everything a runbook may use of the house stands here."""

from common.duration import Duration, End, humanize
from common.errors import (
    Ambiguous,
    CloudError,
    Held,
    Interrupted,
    LeaseLost,
    NotFound,
    Paused,
    Refused,
    RunbookError,
    StepFailed,
    UnknownOutcome,
    UserError,
)
from common.picking import picked
from common.result import Result
from common.table import Table
from common.text import clean, count, listed, near, utc
from workflow_api.context import Context, Requester
from workflow_api.parameters import ParameterGroup
from workflow_api.plan import Plan
from workflow_api.planned import OnFailure, Undo
from workflow_api.ref import Ref
from workflow_api.step import Attempt, Begun, step
from workflow_api.workflow import RunRequest, workflow

__all__ = [
    "Ambiguous",
    "Attempt",
    "Begun",
    "CloudError",
    "Context",
    "Duration",
    "End",
    "Held",
    "Interrupted",
    "LeaseLost",
    "NotFound",
    "OnFailure",
    "ParameterGroup",
    "Paused",
    "Plan",
    "Ref",
    "Refused",
    "Requester",
    "Result",
    "RunRequest",
    "RunbookError",
    "StepFailed",
    "Table",
    "Undo",
    "UnknownOutcome",
    "UserError",
    "clean",
    "count",
    "humanize",
    "listed",
    "near",
    "picked",
    "step",
    "utc",
    "workflow",
]
