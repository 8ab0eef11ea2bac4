"""Write what is made from the runbooks, observers, rules, tables and schemas: the actions, sensors
and trigger types, pages of docs/, a table.

python tools/generate.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "lib"), str(TOP / "tools")]

from action_files import actions  # noqa: E402 - found by the line above
from actions_page import actions_page, readme_rows  # noqa: E402 - found by the line above
from configuration_page import configuration_page  # noqa: E402 - found by the line above
from mail_page import mail_page  # noqa: E402 - found by the line above
from pages import between  # noqa: E402 - found by the line above
from query_page import page  # noqa: E402 - found by the line above
from rules_page import rules_page  # noqa: E402 - found by the line above
from sensor_files import sensor_files, trigger_files  # noqa: E402 - found by the line above
from sensors_page import sensors_page  # noqa: E402 - found by the line above


def pages() -> dict[Path, str]:
    """Return the text of each file that is generated, or put in order."""
    folder = TOP / "actions"
    found = {folder / f"{name}.yaml": text for name, text in actions().items()}
    found |= {TOP / "sensors" / f"{name}.yaml": text for name, text in sensor_files().items()}
    found |= {TOP / "triggers" / f"{name}.yaml": text for name, text in trigger_files().items()}
    docs = {
        "ACTIONS": actions_page,
        "CONFIGURATION": configuration_page,
        "MAIL_TEMPLATES": mail_page,
        "QUERY": page,
        "RULES": rules_page,
        "SENSORS": sensors_page,
    }
    found |= {TOP / "docs" / f"{name}.md": made() for name, made in docs.items()}
    readme = TOP / "README.md"
    found[readme] = between(readme.read_text(), "actions", readme_rows())
    return found


def main() -> None:
    """Write the files that differ; with --check only name them, and exit with 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    differ = {path: text for path, text in pages().items() if _present(path) != text}
    for path, text in differ.items():
        if not options.check:
            path.write_text(text)
        print(f"{'differs' if options.check else 'written'}: {path.relative_to(TOP)}")
    sys.exit(bool(differ) and options.check)


def _present(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


if __name__ == "__main__":
    main()
