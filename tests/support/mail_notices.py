"""Variables made from a notice's schema, and what a mail program reads in its HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from hypothesis import strategies as st

from common.text import clean
from email_api.variables import Column, Schema, Variable

# No template of ours has such a tag or attribute, so that one in a page came from a value.
MARK = "zz9"
HOSTILE = (
    f"<{MARK}>",
    f'"><{MARK} onx="1">',
    f"' onx='{MARK}",
    f"--><{MARK} onx=1><!--",
    f"</title></style><{MARK}>",
    f"{{{{ 7 * 7 }}}}{{% if %}}<{MARK}>",
    f"&lt;{MARK}&gt;",
    "one\r\nBcc: everybody@example.org",
    "red\x1b[31m\x00\u2028\ud800 and \u202egnp.exe",
    "=HYPERLINK(1)",
)
NAMES = {
    "short": ("web-1", "db", "ci"),
    "long": ("n" * 200, "word " * 40, "x-" * 100),
    "rtl": ("\u0634\u0628\u0643\u0629 \u0627\u0644\u0645\u062a\u062c\u0631", "\u05e9\u05e8\u05ea"),
    "emoji": (
        "\U0001f680\U0001f9d1\u200d\U0001f4bb",
        "caf\u0065\u0301 \u5b9f\u9a13",
        "e\u0301" * 99,
    ),
    "hostile": HOSTILE,
}
#: What :func:`extremes` returns variables for.
EXTREMES = ("nothing", "one", *NAMES, "many", "too many")
_PLAIN: dict[str, Any] = {
    "integer": 31,
    "number": 2.5,
    "boolean": True,
    "date": "2026-12-31",
    "time": "2026-10-18T03:04:05Z",
    "link": "https://example.org/a?b=1&c=%22",
}


def extremes(schema: Schema) -> dict[str, dict[str, Any]]:
    """Return variables at the edges of what a schema lets through, by what they are."""
    required = {name: spec for name, spec in schema.variables.items() if not spec.optional}
    cases = {
        "nothing": {name: _value(spec, ("a",), 0) for name, spec in required.items()},
        "one": {name: _value(spec, ("web-1",), 1) for name, spec in schema.variables.items()},
    }
    for kind, names in NAMES.items():
        cases[kind] = {n: _value(spec, names, 12) for n, spec in schema.variables.items()}
    cases["many"] = {n: _value(s, NAMES["short"], 500) for n, s in schema.variables.items()}
    cases["too many"] = {n: _value(s, NAMES["short"], 501) for n, s in schema.variables.items()}
    return cases


def _value(spec: Variable | Column, names: tuple[str, ...], rows: int, at: int = 0) -> Any:
    name = names[at % len(names)]
    if spec.type == "choice":
        return spec.choices[at % len(spec.choices)]
    if spec.type in ("prose", "texts"):
        return list(names)
    if spec.type == "table":
        return {
            "columns": ["name", "why not", "size", "at"],
            "rows": [
                {"name": names[n % len(names)], "why not": None, "size": n, "at": _PLAIN["time"]}
                for n in range(rows)
            ],
            "units": {"size": "MiB", "at": "time"},
        }
    if isinstance(spec, Variable) and spec.type == "rows":
        # Every seventh row has nothing but its first value.
        return [
            {
                column: _value(inner, names, rows, n + place)
                for place, (column, inner) in enumerate(spec.columns.items())
                if n % 7 != 6 or place == 0
            }
            for n in range(rows)
        ]
    return _PLAIN.get(spec.type, name)


def variables(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for whatever the schema lets through."""
    specs = schema.variables
    return st.fixed_dictionaries(
        {name: _strategy(spec) for name, spec in specs.items() if not spec.optional},
        optional={name: _strategy(spec) for name, spec in specs.items() if spec.optional},
    )


def words() -> st.SearchStrategy[str]:
    """Return a strategy for texts, each of which would be a tag if it were not escaped."""
    plain = st.text(max_size=30)
    return st.one_of(
        st.sampled_from(HOSTILE),
        st.builds(lambda before, after: f"{before}<{MARK}>{after}", plain, plain),
    )


def _strategy(spec: Variable | Column) -> st.SearchStrategy[Any]:
    if spec.type == "choice":
        return st.sampled_from(spec.choices)
    if spec.type in ("prose", "texts"):
        return st.lists(words(), max_size=3)
    if spec.type == "table":
        cells = st.one_of(words(), st.none(), st.integers(), st.floats(), st.booleans())
        return st.lists(words().map(clean), min_size=1, max_size=3, unique=True).flatmap(
            lambda columns: st.fixed_dictionaries(
                {
                    "columns": st.just(columns),
                    "rows": st.lists(st.fixed_dictionaries(dict.fromkeys(columns, cells))),
                }
            )
        )
    if isinstance(spec, Variable) and spec.type == "rows":
        row = {n: st.one_of(st.none(), _strategy(inner)) for n, inner in spec.columns.items()}
        return st.lists(st.fixed_dictionaries(row), max_size=4)
    return st.just(_PLAIN[spec.type]) if spec.type in _PLAIN else words()


class Page(HTMLParser):
    """What a mail program reads: tags with their attributes, words, and the rows of tables."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self._cell: list[str] | None = None
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "tr":
            self.rows.append([])
        if tag == "td" and "data-k" in dict(attrs):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""
        if tag == "td" and self._cell is not None:
            self.rows[-1].append("".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._inside != "style":
            self.words.append(data)
        if self._cell is not None:
            self._cell.append(data)

    @property
    def cells(self) -> list[list[str]]:
        """The cells of each row, without rows that are there for the look of the page."""
        return [row for row in self.rows if row]
