"""docs/RULES.md: what is written by hand in rules_page.md, and each rule and policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pages import cell, code, filled, table
from rules.files import Rule, rules_in

_BY_HAND = Path(__file__).with_name("rules_page.md")
_POLICIES = Path(__file__).resolve().parents[1] / "policies"


def rules_page() -> str:
    """Return the whole page."""
    rules = rules_in()
    policies = [yaml.safe_load(path.read_text()) for path in sorted(_POLICIES.glob("*.yaml"))]
    made = {
        "rules": "\n".join(
            [_overview(rules), *(_section(rule) for rule in rules)],
        ),
        "policies": table("policy", "action", "what it does", rows=map(_policy, policies)),
    }
    return filled(_BY_HAND.read_text(), made)


def _overview(rules: list[Rule]) -> str:
    rows = [
        f"| [{rule.name}](#{rule.name}) | {code(rule.trigger.type)} | {code(rule.action.ref)} |"
        for rule in rules
    ]
    return table("rule", "on", "starts", rows=rows)


def _section(rule: Rule) -> str:
    parameters = ", ".join(f"{name}={_shown(one)}" for name, one in rule.trigger.parameters.items())
    when = f" ({parameters})" if parameters else ""
    criteria = [
        f"| `{key}` | {one['type']} | {code(_shown(one['pattern']))} |"
        for key, one in rule.criteria.items()
    ]
    given = [
        f"| `{name}` | {code(_shown(value))} |" for name, value in rule.action.parameters.items()
    ]
    return "\n".join(
        [
            f"### {rule.name}\n",
            f"{cell(rule.description)}\n",
            f"On `{rule.trigger.type}`{when}, {'enabled' if rule.enabled else 'disabled'}.\n",
            *([table("if", "operator", "pattern", rows=criteria)] if criteria else []),
            f"Starts `{rule.action.ref}`{':' if given else '.'}\n",
            *([table("parameter", "value", rows=given)] if given else []),
        ]
    )


def _policy(policy: dict[str, Any]) -> str:
    told = cell(policy["description"])
    return f"| `{policy['name']}` | `{policy['resource_ref']}` | {told} |"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
