"""The configuration's schema, its types and its example say the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from accounts.config import PackConfig, load
from common.duration import Duration
from common.errors import UserError

TOP = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((TOP / "config.schema.yaml").read_text())
EXAMPLE = yaml.safe_load((TOP / "openstack_ops.yaml.example").read_text())

SMTP = {"name": "x", "host": "mail.example.org", "sender": "cloud@example.org"}


def nested(name: str, given: dict[str, Any]) -> dict[str, Any]:
    of_each = given["items"] if given["type"] == "array" else given.get("additionalProperties")
    return (of_each or given)["properties"]


def struct_of(kind: Any) -> type[msgspec.Struct] | None:
    for candidate in (kind, *getattr(kind, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def compare(struct: type[msgspec.Struct], properties: dict[str, Any], where: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    assert set(fields) == set(properties), where
    for name, field in fields.items():
        given, place = properties[name], f"{where}{name}"
        assert given["description"].endswith("."), place
        if inner := struct_of(field.type):
            compare(inner, nested(name, given), f"{place}.")
            continue
        default = field.default
        if default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        if isinstance(default, Duration):
            assert Duration.parse(given["default"]) == default, place
        elif default not in (msgspec.NODEFAULT, None, {}):
            shown = list(default) if isinstance(default, tuple) else default
            assert given["default"] == shown, place
        if default is msgspec.NODEFAULT:
            assert given["required"] is True, place


def test_schema_and_types_have_the_same_keys_and_defaults() -> None:
    compare(PackConfig, SCHEMA, "")


def test_example_is_valid_by_schema_and_by_types() -> None:
    # StackStorm's schemas mark required properties one by one, as JSON schema draft 3 does.
    schema = {"type": "object", "additionalProperties": False, "properties": SCHEMA}
    jsonschema.Draft3Validator(schema).validate(EXAMPLE)
    assert load(EXAMPLE).default_cloud == "prod"


def test_schema_itself_is_valid() -> None:
    jsonschema.Draft3Validator.check_schema({"type": "object", "properties": SCHEMA})


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"clouds": [{"nme": "x"}]}, "nme"),
        ({"clouds": [{"name": "x", "verify": False}]}, "cacert"),
        ({"clouds": [{"name": "x"}, {"name": "x"}]}, "same name"),
        ({"clouds": 5}, "clouds"),
        ({"smtp_accounts": [{**SMTP, "insecure": True}]}, "cacert"),
        ({"smtp_accounts": [SMTP, SMTP]}, "same name"),
        ({"smtp_accounts": [{**SMTP, "security": "ssl"}]}, "security"),
        ({"smtp_accounts": [{**SMTP, "port": 0}]}, "port"),
        ({"smtp_accounts": [{"name": "x", "host": "y"}]}, "sender"),
        ({"organisation": {"colours": {"accent": "red;}"}}}, "organisation.colours.accent"),
        ({"email": {"owner": "anybody"}}, "email.owner"),
        ({"email": {"max_recipients": 0}}, "email.max_recipients"),
        ({"email": {"local_domains": ["a b"]}}, "email.local_domains"),
        ({"limits": {"lease": 30}}, "limits.lease"),
        ({"limits": {"lease": "30"}}, "duration"),
        ({"limits": {"max_parallel": "many"}}, "limits.max_parallel"),
        ({"limits": {"max_parallel": 0}}, "limits.max_parallel"),
        ({"limits": {"lease": "0s"}}, "limits.lease"),
        ({"unknown": 1}, "unknown"),
        ({"clouds": "prod"}, "clouds"),
    ],
)
def test_wrong_configuration_is_said_with_its_key(config: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(config)


@pytest.mark.parametrize(
    "config",
    [
        {"clouds": [{"name": "x", "auth": "s3cret-password"}]},
        {"smtp_accounts": [{**SMTP, "password": ["s3cret-password"]}]},
    ],
)
def test_value_of_a_wrong_key_is_not_shown(config: dict[str, Any]) -> None:
    with pytest.raises(UserError) as error:
        load(config)
    assert "s3cret" not in str(error.value)


def test_nothing_is_needed() -> None:
    assert load(None).clouds == []
