"""Writing what became of each row of a run to the file that its operator named."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from common.errors import UserError
from common.result import Result
from common.table import Table
from engine.output_file import OutputFile
from workflow_api.workflow import workflow_named

if TYPE_CHECKING:
    from engine.session import Session

# The parameter by which a runbook says that its rows can be written to a file.
PARAMETER = "output_file"
# What stands in a row besides the parameters that it gave, in this order; people are not told of
# keys. A child's steps are no rows.
_TOLD = ("state", "said", "why", "notes", "skips", "error", "seconds", "run")


def write_rows(session: Session, result: Result, given: str | None = None) -> None:
    """Write a run's rows to the file that was ``given``, or that the run was asked to write.

    A file that cannot be written is reported in the summary; the changes stand.
    """
    path = given or _asked(session, result)
    if not path or not result.rows:
        return
    text = session.redactor.text
    try:
        file = OutputFile(path, session.config.places)
        form = "json" if path.lower().endswith(".json") else "csv"
        file.write(text(_table(result.rows).render(form)))
    except UserError as error:
        result.summary += f". Its rows were not written: {error}"
        result.complete = False
    else:
        result.summary += f"; its rows are in {file}"
        result.output_file = str(file)


def _asked(session: Session, result: Result) -> str | None:
    """Return the file that a run was asked to write when it was started, which may be long ago."""
    if result.run is None:
        return None
    run = session.journal.run(result.run)
    if PARAMETER not in workflow_named(run.workflow).types:
        return None
    path: str | None = run.parameters.get(PARAMETER)
    return path


def _table(rows: Iterable[Mapping[str, Any]]) -> Table:
    mine = [row for row in rows if "row" in row] or list(rows)
    names = dict.fromkeys(name for row in mine for name in row.get("parameters", ()))
    told = [column for column in _TOLD if any(row.get(column) is not None for row in mine)]
    flat = [
        {**row, **_joined(row), **{_called(n): v for n, v in _given(row).items()}} for row in mine
    ]
    return Table(("row", *map(_called, names), "what", *told), flat)


def _joined(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what a row's plan has to say as texts, which fit into cells."""
    return {name: "; ".join(row[name]) for name in ("notes", "skips") if name in row}


def _given(row: Mapping[str, Any]) -> Mapping[str, Any]:
    given: Mapping[str, Any] = row.get("parameters", {})
    return given


def _called(parameter: str) -> str:
    """Return the column of a parameter; one that is called as another column keeps apart."""
    return f"{parameter}_" if parameter in ("row", "what", *_TOLD) else parameter
