"""A cloud that has the synthetic resources: it pages, filters, and writes as the services do.

A row is a mapping by property: a time as the service writes it, None for what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from support.memory_cloud import MemoryCloud
from support.oracle_rows import Row, World
from support.oracle_values import moment

# Objects that hold properties' values, and are not one themselves.
_HOLDERS = frozenset({"state", "times", "spec", "more", "boss"})
Params = Mapping[str, Any]


class SyntheticCloud(MemoryCloud):
    """What a query asks of a cloud, answered from a world.

    Pages have ``page`` rows; ``again`` of them were on the page before, as if rows had been added
    meanwhile. ``gone`` are things that were deleted: they are shown only to who asks for changes.
    """

    def __init__(
        self, name: str, world: World, *, page: int = 1000, again: int = 0, gone: Sequence[Row] = ()
    ) -> None:
        assert again < page
        super().__init__({"synthetic": self.serve}, most=2, name=name)
        self.world, self.page, self.again, self.gone = world, page, again, gone

    def __repr__(self) -> str:
        return f"SyntheticCloud({self.name!r}, {self.world}, page={self.page}, again={self.again})"

    def serve(self, path: str, params: Params, microversion: str | None) -> Any:
        """Return what the service answers."""
        assert microversion is None
        asked = dict(params)
        if path == "/usage":
            return {row["id"]: row.get("uses") for row in self.world["thing"]}
        if path.startswith("/history/"):
            (row,) = (row for row in self.world["thing"] if row["id"] == path.rpartition("/")[2])
            return row["off_since"]
        collection = path.rpartition("/")[2]
        rows = self._rows(path, collection.removesuffix("s"), asked)
        answer: dict[str, Any] = {}
        if path == "/things":
            rows, answer["things_links"] = self._by_marker(rows, asked)
        elif path == "/parts":
            rows = self._by_offset(rows, asked)
        write = _WRITERS.get(collection, dict)
        answer[collection] = [_thinned(write(row), turn) for turn, row in enumerate(rows)]
        return answer

    def _rows(self, path: str, resource: str, asked: dict[str, Any]) -> list[Row]:
        rows = list(self.world[resource])
        if resource == "event":
            return [row for row in rows if row["thing_id"] == path.split("/")[2]]
        if resource == "thing" and "since" in asked:
            rows += self.gone
        for param in [param for param in asked if param not in ("limit", "marker", "offset")]:
            wanted = asked[param]
            keep = _FILTERS[resource, param]
            rows = [row for row in rows if keep(row, wanted)]
        return rows

    def _by_marker(self, rows: list[Row], asked: dict[str, Any]) -> tuple[list[Row], list[Any]]:
        start, size = 0, min(self.page, int(asked["limit"]))
        if "marker" in asked:
            start = [row["id"] for row in rows].index(asked["marker"]) + 1 - self.again
        page = rows[start : start + size]
        if len(page) < size:
            return page, []
        following = urlencode({**asked, "marker": page[-1]["id"]}, doseq=True)
        return page, [{"rel": "next", "href": f"http://synthetic/things?{following}"}]

    def _by_offset(self, rows: list[Row], asked: dict[str, Any]) -> list[Row]:
        # What shifts down while a listing is read is there again on the next page.
        size = max(2, self.page)  # the last row of a page may have to be seen again
        shifted: list[Row] = []
        for start in range(0, len(rows), size):
            shifted += rows[max(0, start - self.again) : start + size]
        start = int(asked["offset"])
        return shifted[start : start + min(size, int(asked["limit"]))]


def _time(row: Row, keep: Callable[[Any], bool]) -> bool:
    created = row.get("created_at")
    return created is None or keep(moment(created))


# Some find just what they are asked for, and others more.
_FILTERS: dict[tuple[str, str], Callable[[Row, Any], bool]] = {
    ("thing", "id"): lambda row, wanted: row["id"] == wanted,
    ("thing", "name"): lambda row, wanted: wanted.lower() in (row.get("name") or "").lower(),
    ("thing", "status"): lambda row, wanted: row.get("status") in _several(wanted),
    ("thing", "since"): lambda row, wanted: _time(row, lambda t: t >= moment(wanted)),
    ("thing", "before"): lambda row, wanted: _time(row, lambda t: t < moment(wanted)),
    ("thing", "after"): lambda row, wanted: _time(row, lambda t: t > moment(wanted)),
    ("thing", "ip"): lambda row, wanted: row.get("ip") == wanted,
    ("thing", "tag"): lambda row, wanted: any(wanted in tag for tag in row.get("tags") or ()),
    ("thing", "owner_id"): lambda row, wanted: row.get("owner_id") == wanted,
    ("owner", "id"): lambda row, wanted: f'"{row["id"]}"' in wanted or row["id"] == wanted,
    ("part", "id"): lambda row, wanted: row["id"] == wanted,
    ("part", "thing_id"): lambda row, wanted: row.get("thing_id") in wanted.split(","),
    ("part", "size_min"): lambda row, wanted: (row.get("size") or 0) >= float(wanted) - 1,
}


def _several(wanted: Any) -> list[str]:
    return wanted if isinstance(wanted, list) else [wanted]


def _thing(row: Row) -> dict[str, Any]:
    nets = row.get("networks")
    found = {name: row.get(name) for name in ("id", "name", "status", "load", "tags", "labels")}
    return found | {
        "state": {"mood": row.get("mood"), "times": {"seen": row.get("seen_at")}},
        "spec": {
            "ram": row.get("spec.ram"),
            # A number in a text, as Nova writes the swap of a flavor.
            "disk": None if row.get("spec.disk") is None else str(row["spec.disk"]),
            "extra": row.get("spec.extra"),
        },
        "x:locked": row.get("locked"),
        "created": row.get("created_at"),
        "owner_id": row.get("owner_id"),
        "spare_ids": row.get("spare_ids"),
        # Nothing is an empty text in these two.
        "ip": row.get("ip") or "",
        "image": {"id": row["image_id"]} if row.get("image_id") else "",
        "nets": None if nets is None else {name: _on(row, nets, name) for name in nets},
        "unasked": {"for": ["this", {"and": 1.5}]},
    }


def _on(row: Row, nets: Sequence[str], name: str) -> list[dict[str, str]]:
    """Return the addresses on one of a thing's networks: each has one, the last has the rest."""
    number, found = nets.index(name), row.get("addresses") or []
    ours = found[number:] if name == nets[-1] else found[number : number + 1]
    return [{"addr": one, "version": "4"} for one in ours]


def _owner(row: Row) -> dict[str, Any]:
    found = {name: row.get(name) for name in ("id", "name", "age")}
    more = {"email": row.get("email")}
    return found | {"more": more, "born": row.get("born_at"), "boss": {"id": row.get("boss_id")}}


_WRITERS: dict[str, Callable[[Row], dict[str, Any]]] = {"things": _thing, "owners": _owner}


def _thinned(found: dict[str, Any], turn: int) -> dict[str, Any]:
    """Return an object in which what is missing is null or not there, turn by turn."""
    kept: dict[str, Any] = {}
    for place, (name, value) in enumerate(found.items(), start=turn):
        if name in _HOLDERS and isinstance(value, dict):
            inner = _thinned(value, turn)
            value = inner if place % 3 or any(v is not None for v in inner.values()) else None
        if value is not None or place % 2:
            kept[name] = value
    return kept
