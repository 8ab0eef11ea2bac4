"""What audits have in common: asking a cloud, whose a thing is, and what is shown of a finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec

from accounts.cloud import Cloud
from accounts.clouds import of_each
from query_api.execution.query import Query, query
from query_api.language import times
from workflow_api import CloudError, Table, UserError, clean, count, listed, near

Row = tuple[Any, ...]
# In the order in which a narrow terminal should see them.
_COLUMNS = ("kind", "name", "created_at", "why", "act", "project", "user", "mail", "id")
_IDS = ("project_id", "user_id")


class Finding(msgspec.Struct, kw_only=True):
    """A thing that an audit names: why, and how to act on it, in a sentence each.

    ``created_at`` is a UTC text, None if nobody knows. ``project``, ``user`` and ``mail`` are
    found by the ids; ``service`` says what the cloud's own services have to do with it, if that is
    not told by its project or user, and ``ours`` names the account of this pack that needs it;
    ``more`` are further columns.
    """

    kind: str
    id: str
    name: str | None
    why: str
    act: str
    created_at: str | None = None
    project_id: str | None = None
    user_id: str | None = None
    project: str | None = None
    user: str | list[str] | None = None
    mail: str | list[str] | None = None
    service: str = ""
    ours: str = ""
    more: dict[str, Any] = {}


# Instead of a command, where it would be at the expense of nova, neutron and the like, or of this
# pack itself.
_LEAVE = (
    "leave it to those who run the cloud: it belongs to the cloud's own services ({of}), which may "
    "fail without it"
)
_LEAVE_OURS = "leave it as long as openstack_ops asks this cloud: it logs in as {account} there"


class Part:
    """One cloud's part of an audit. Gathers why it is not whole."""

    def __init__(self, cloud: Cloud, now: datetime) -> None:
        self.cloud, self.now = cloud, now
        self.findings: list[Finding] = []
        self.reasons: list[tuple[str, str]] = []
        # What an audit has read anyway: names of projects, names and addresses of users, by id.
        self.projects: Mapping[str, str] | None = None
        self.people: Mapping[str, tuple[str | None, str | None]] | None = None
        # The users that the cloud's own services log in as, where an audit knows them.
        self.service_users: frozenset[str] = frozenset()

    def lacks(self, what: str, why: str) -> None:
        """Say that something is missing in the audit; said twice it stands there once."""
        if (what, why) not in self.reasons:
            self.reasons.append((what, why))

    def read(self, asked: Query) -> tuple[list[Row], bool]:
        """Return the rows that can be read, columns as selected, and whether these are all.

        What is missing is said.
        """
        try:
            answer = asked.run([self.cloud], now=self.now)
        except CloudError as error:
            self.lacks(f"{asked.resource.plural} of {self.cloud.name}", str(error))
            return [], False
        for what, why in answer.reasons:
            self.lacks(what, why)
        return answer.rows, answer.complete

    def read_all(self, asked: Sequence[Query]) -> list[tuple[list[Row], bool]]:
        """Do the same for several questions side by side, in their order."""
        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            return list(pool.map(self.read, asked))

    def whole(self, asked: Query, without: str) -> list[Row]:
        """Return all rows; ``without`` says what cannot be done if they are not all.

        Raises CloudError then.
        """
        before = len(self.reasons)
        rows, complete = self.read(asked)
        if not complete:
            plural, name = asked.resource.plural.replace("_", " "), self.cloud.name
            told = "; ".join(why.rstrip(".") for _, why in self.reasons[before:])
            raise CloudError(f"The {plural} of {name} could not all be read, so {without}: {told}.")
        return rows

    def is_older(self, created_at: str | None, seconds: float) -> bool:
        """Return whether an object was made that long ago; objects of unknown age count as old."""
        if created_at is None or not seconds:
            return True
        cutoff = times.cutoff(self.now - timedelta(seconds=seconds), self.now)
        return times.sortable(created_at) < cutoff

    def say_whose(self) -> None:
        """Find names and mail addresses for the ids in the findings.

        One listing of projects and one of users (by domain), each only if it is needed and
        ``projects`` or ``people`` do not know them already.
        """
        if self.projects is None:
            owners = _known(one.project_id for one in self.findings)
            asked = query("project").where("id", "any_in", *owners).select("id", "name")
            self.projects = dict(self.read(asked)[0]) if owners else {}
        if self.people is None:
            users = _known(one.user_id for one in self.findings)
            asked = query("user").where("id", "any_in", *users).select("id", "name", "email")
            rows = self.read(asked)[0] if users else []
            self.people = {id: (name, email) for id, name, email in rows}
        for one in self.findings:
            one.project = one.project or self.projects.get(one.project_id or "")
            if one.user is None and one.user_id and one.user_id in self.people:
                one.user, one.mail = self.people[one.user_id]
        self._spare()

    def _spare(self) -> None:
        """Take back advice to do away with what the cloud's own services, or this pack, have."""
        theirs = self.cloud.config.service_projects
        for one in self.findings:
            names = {one.project, one.name if one.kind == "ownerless_project" else None}
            if project := next((name for name in theirs if name in names), None):
                one.act = _LEAVE.format(of=f"project {clean(project)}")
            elif one.user_id in self.service_users:
                one.act = _LEAVE.format(of="one of their accounts")
            elif one.service:
                one.act = _LEAVE.format(of=one.service)
            elif one.ours:
                one.act = _LEAVE_OURS.format(account=clean(one.ours))


def _known(ids: Iterable[str | None]) -> list[str]:
    return sorted({id for id in ids if id})


def audited(
    clouds: Sequence[Cloud],
    judge: Callable[[Part], Iterable[Finding]],
    noun: str,
    *,
    allow_partial: bool,
    more: Sequence[str] = (),
    extra: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
) -> Table:
    """Have each cloud judged, side by side, and return all findings, counted by kind.

    ``more`` and ``extra`` are further columns, the latter for programs only. The table is not good
    if something is missing, unless ``allow_partial``. Raises CloudError if no cloud could be
    judged.
    """
    parts = parts_of(clouds)
    by_cloud = {part.cloud: part for part in parts}
    for cloud, failed in of_each(clouds, lambda cloud: _judged(by_cloud[cloud], judge)):
        if failed is not None:
            by_cloud[cloud].lacks(f"cloud {cloud.name}", str(failed))
    return table(parts, noun, allow_partial=allow_partial, more=more, extra=extra, units=units)


def parts_of(clouds: Sequence[Cloud]) -> list[Part]:
    """Return a part for each cloud, all of the same moment."""
    now = datetime.now(timezone.utc)
    return [Part(cloud, now) for cloud in clouds]


def table(
    parts: Sequence[Part],
    noun: str,
    *,
    allow_partial: bool,
    more: Sequence[str] = (),
    extra: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
) -> Table:
    """Return the findings of all parts; takes what :func:`audited` takes."""
    columns = [*_COLUMNS[:-4], *more, *_COLUMNS[-4:]]
    if len(parts) > 1:
        columns.insert(0, "cloud")
    rows = [_row(part.cloud, one) for part in parts for one in part.findings]
    reasons = [reason for part in parts for reason in part.reasons]
    return Table(
        columns,
        rows,
        summary=_summary(rows, noun),
        good=allow_partial or not reasons,
        extra=[*_IDS, *extra, "cloud"],
        units={"created_at": "time", **(units or {})},
        reasons=reasons,
        now=parts[0].now if parts else None,
    )


def _judged(part: Part, judge: Callable[[Part], Iterable[Finding]]) -> None:
    part.findings = list(judge(part))
    part.say_whose()


def _row(cloud: Cloud, one: Finding) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in (*_COLUMNS, *_IDS)}
    return {"cloud": cloud.name, **row, **one.more}


def _summary(rows: Sequence[Mapping[str, Any]], noun: str) -> str:
    kinds = Counter(row["kind"].replace("_", " ") for row in rows)
    told = ", ".join(count(many, kind) for kind, many in sorted(kinds.items()))
    return count(len(rows), noun) + (f": {told}" if told else "")


def chosen(name: str, given: Sequence[str], known: Iterable[str]) -> list[str]:
    """Return the words of a list parameter, or all there are if it is empty.

    Raises UserError for one that is not known.
    """
    words = list(known)
    for one in given:
        if one not in words:
            likely = near(one, words)
            advice = f"Did you mean {' or '.join(likely)}?" if likely else ""
            raise UserError(
                f"{name} are among {', '.join(words)}, not {clean(one)!r}.", advice=advice
            )
    return [word for word in words if word in given] if given else words


def named(names: Iterable[object]) -> str:
    """Return a few names of things in a cloud for a sentence."""
    return listed((clean(name) for name in names), 5)
