"""Write into docs/ARCHITECTURE.md how large each folder of the library is.

python tools/sizes.py

It is no part of `make generate`: a table that every change makes anew would be in every change.
"""

from __future__ import annotations

from pathlib import Path

from pages import between, table

TOP = Path(__file__).resolve().parents[1]
PAGE = TOP / "docs" / "ARCHITECTURE.md"


def sizes() -> dict[str, tuple[int, int]]:
    """Return the number of modules, and of their lines, of each folder of the library."""
    found = {}
    for folder in sorted((TOP / "lib").glob("*/__init__.py")):
        modules = list(folder.parent.rglob("*.py"))
        lines = sum(len(module.read_text().splitlines()) for module in modules)
        found[folder.parent.name] = len(modules), lines
    return found


def main() -> None:
    """Write the table."""
    rows = [f"| `{name}/` | {modules} | {lines} |" for name, (modules, lines) in sizes().items()]
    made = table("folder", "modules", "lines", rows=rows)
    PAGE.write_text(between(PAGE.read_text(), "sizes", made, by="sizes"))


if __name__ == "__main__":
    main()
