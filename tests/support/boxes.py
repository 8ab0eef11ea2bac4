"""``./runbook`` with toy actions: its first argument is their folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "lib"))

from local_runner.app import main
from workflow_api import Attempt, Context, Plan, StepFailed, Table, step, workflow


@step("boxes.open_box", "open {box} on {shelf}", key="{box}")
def open_box(attempt: Attempt, box: str, shelf: str, seconds: float) -> dict:
    """Open a box; the broken one cannot be opened."""
    attempt.wait(seconds)
    if box == "broken":
        raise StepFailed("[bold]x[/bold] \x1b[31mred")
    return {"said": "a [red]toy"}


@workflow("box.list")
def list_boxes(ctx: Context, shelf: str) -> Table:
    """List the boxes of a shelf."""
    return Table(("name", "about"), [{"name": shelf, "about": "word " * 40}], summary="1 box")


@workflow("box.open")
def open_boxes(ctx: Context, shelf: str, boxes: list[str], seconds: float = 0.0) -> Plan:
    """Open boxes."""
    plan = Plan(f"Open {shelf}")
    opened = [{"box": box, "shelf": shelf, "seconds": seconds} for box in boxes]
    plan.each(open_box, opened, at_most=2)
    return plan


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], actions=Path(sys.argv[1])))
