"""Carrying a creation out: the step of a row, its look-up by marks, and its undo."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.cloud import Cloud
from common.duration import decoded
from keeping.marks import RUN, STEP, marks_of
from query_api.execution.query import query
from query_api.lookups import things
from verbs.creation import Creation, Data
from verbs.following import settled
from verbs.verb import Options
from workflow_api import Attempt, Begun, StepFailed, clean, listed, step

# The note of what could be taken for what is made, and was there before.
_THERE = "there"


def step_of(row: Creation) -> Any:
    """Return the registered step that makes the thing of a row."""

    def find(attempt: Attempt, cloud: Cloud, name: str, options: Data) -> Data | Begun | None:
        return _Making(row, attempt, cloud, name, options).found()

    def take_back(attempt: Attempt, cloud: Cloud, name: str, options: Data) -> None:
        _Making(row, attempt, cloud, name, options).take_back()

    def perform(
        attempt: Attempt,
        cloud: Cloud,
        name: str,
        options: Data,
        names: Data = {},  # noqa: B006 - only for the sentence, and never changed
    ) -> Data:
        return _Making(row, attempt, cloud, name, options).to_the_end()

    return step(row.name, row.sentence, key="{name}", find=find, undo=take_back)(perform)


class _Making:
    """One thing that is made, from the request to its end."""

    def __init__(
        self, row: Creation, attempt: Attempt, cloud: Cloud, name: str, options: Data
    ) -> None:
        self.row, self.attempt, self.name, self.given = row, attempt, clean(name), options
        self.options: Options = msgspec.convert(options, row.options, dec_hook=decoded)
        # The account sees everything from its own project, and is owner in that of the thing.
        project = getattr(self.options, "project", None)
        self.cloud = cloud
        self.maker = cloud.in_project(project) if project and not row.as_admin else cloud

    def found(self) -> Data | Begun | None:
        """Return what became of an earlier request, by the marks of what is there."""
        thing = self._made()
        if thing is None:
            return None
        if self._lacks(thing):
            return Begun(f"{self.name} exists, but its settings are not complete yet", id=thing.id)
        if self.row.waiting.is_over(self.row.subject, thing, self.options):
            return self._ended(thing.id)
        return Begun(f"{self.name} is {self.row.subject.state(thing)}", id=thing.id)

    def to_the_end(self) -> Data:
        """Send the request, unless the thing is there, and wait until it is whole."""
        thing = self._made()
        id = thing.id if thing is not None else self._requested()
        self._complete(id)
        try:
            settled(
                self.row.subject,
                self.row.waiting,
                self.attempt,
                self.cloud,
                id,
                self.name,
                self.given,
            )
        except StepFailed as error:
            if not getattr(self.options, "delete_failed", False):
                raise StepFailed(f"{error} It is left as it is: {id}.") from None
            self.row.delete(self.maker, id, self.options)
            raise StepFailed(f"{error} It was deleted again.") from None
        return self._ended(id)

    def take_back(self) -> None:
        """Delete what was made, if it is there."""
        thing = self._made() if self.row.made is None else self._only()
        if thing is not None:
            self.row.delete(self.maker, thing.id, self.options)

    def _only(self) -> Any:
        """Return what has the name, which was free before; raises StepFailed if several have."""
        assert self.row.made is not None
        found = list(self.row.made(self.cloud, self.options, self.attempt))
        if len(found) > 1:
            ids = listed(thing.id for thing in found)
            raise StepFailed(
                f"Several objects are named {self.name}, and this step created one of them: {ids}."
            )
        return found[0] if found else None

    def _requested(self) -> str:
        if self.row.made is not None and _THERE not in self.attempt.notes:
            known = self.row.made(self.cloud, self.options, self.attempt)
            self.attempt.note(**{_THERE: sorted(thing.id for thing in known)})
        marks = marks_of(self.attempt.run, self.attempt.key)
        return self.row.request(self.maker, self.options, marks)

    def _complete(self, id: str) -> None:
        if self.row.complete is None:
            return
        thing = self.row.subject.look(self.cloud, id)
        if thing is not None and self._lacks(thing):
            self.row.complete(self.maker, id, self.options)

    def _lacks(self, thing: Any) -> bool:
        row = self.row
        if row.complete is None:
            return False
        differs = row.differs(thing, self.options) if row.differs is not None else ()
        return row.lacks(thing, self.options) or any(True for _ in differs)

    def _made(self) -> Any:
        if self.row.made is not None:
            before = self.attempt.notes.get(_THERE)
            if before is None and not (self.attempt.again and self.row.differs is not None):
                return None  # noted before the request is sent, so nothing was sent
            # A continued step has no notes; then names are unique, and this one was free.
            found = self.row.made(self.cloud, self.options, self.attempt)
            return next((thing for thing in found if thing.id not in (before or ())), None)
        asked = query(self.row.subject.name).where("name", "equal_to", self.options.name)
        for thing in things.of_query(self.cloud, asked):
            marks = self.row.marks_of(thing)
            if (marks.get(RUN), marks.get(STEP)) == (self.attempt.run, self.attempt.key):
                return thing
        return None

    def _ended(self, id: str) -> Data:
        return {"id": id, "said": f"{self.name} is there: {id}"}
