"""What filters' values look like to Keystone, Glance, Neutron and Cinder."""

from __future__ import annotations

import warnings
from ast import literal_eval
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from query_api.language.schema import Filter, Property
from query_api.resources import (
    identity,
    image,
    network,
    role_assignment,
    router,
    security_group,
    volume,
)
from query_api.wire import encoding

ENCODED: list[tuple[Callable[[Any], str | None], Any, str | None]] = [
    (encoding.flag, True, "true"),
    (encoding.flag, False, "false"),
    (encoding.only_true, False, None),
    (encoding.whole, 5, "5"),
    (encoding.whole, 5.5, None),
    (encoding.floor, 5.5, "5"),
    (encoding.floor, -5.5, "-6"),
    (encoding.ceiling, 5.5, "6"),
    (encoding.tag, "gold", "gold"),
    (encoding.tag, "a,b", None),
    (encoding.tag, " a", None),
    (encoding.tag, "", None),
    (encoding.tag, "\N{GRINNING FACE}", None),
    (encoding.ip, "2001:DB8:0::5", "2001:db8::5"),
    (encoding.ip, "10.0.0", None),
    (encoding.cidr, "0.0.0.0/0", "0.0.0.0/0"),
    (encoding.cidr, "10.0.0.1/24", "10.0.0.1/24"),
    (encoding.cidr, "10.0.0.1", None),
    (encoding.cidr, "any/24", None),
    (encoding.keystone_id, "default", "default"),
    (encoding.keystone_id, "no such", None),
    (encoding.keystone_id, "x" * 65, None),
    (encoding.keystone_uuid, "default", None),
    (
        encoding.keystone_uuid,
        "1d6fd537e2b64f98946829601dca5f2f",
        "1d6fd537e2b64f98946829601dca5f2f",
    ),
    (encoding.keystone_name, "a b", "a b"),
    (encoding.keystone_name, " ", None),
    (encoding.keystone_name, "x" * 65, None),
    (encoding.keystone_part, "50%", "50%"),
    (encoding.keystone_part, "a\\b", None),
    (encoding.keystone_part, "\N{GREEK SMALL LETTER FINAL SIGMA}", None),
    (encoding.keystone_part, "", None),
    (encoding.keystone_part, "x" * 64, "x" * 64),
    (encoding.keystone_part, "x" * 65, None),
    (encoding.glance_word, "ubuntu, 24", "ubuntu, 24"),
    (encoding.glance_word, "in:1", None),
    (encoding.glance_word, '"quoted"', None),
    (encoding.glance_since, "2026-01-02T03:04:05.5Z", "gte:2026-01-02T03:04:05.5Z"),
    (encoding.glance_until, "2026-01-02T03:04:59.5Z", "lte:2026-01-02T03:05:01Z"),
    (encoding.glance_until, "0001-01-01T00:00:00Z", "lte:0001-01-01T00:00:02Z"),
    (encoding.glance_until, "9999-12-31T23:59:59Z", None),
    (encoding.cinder_word, "db-1-data", "db-1-data"),
    (encoding.cinder_word, "controller@fake#fake", "controller@fake#fake"),
    (encoding.cinder_word, "None", None),
    (encoding.cinder_word, "1e3", None),
    (encoding.cinder_word, "None,", None),
    (encoding.cinder_word, "Nonesuch", "Nonesuch"),
    (
        encoding.cinder_word,
        "12345678-1234-1234-1234-123456789012",
        "12345678-1234-1234-1234-123456789012",
    ),
    (encoding.cinder_word, "1d6fd537e2b64f98946829601dca5f2f", "1d6fd537e2b64f98946829601dca5f2f"),
    (encoding.cinder_word, "12345678901234567890123456789e12", None),
    (encoding.cinder_word, "'web'", None),
    (encoding.cinder_word, "", None),
    (encoding.cinder_word, "a\0b", "a\0b"),
]


@pytest.mark.parametrize(("encode", "value", "sent"), ENCODED)
def test_what_a_service_is_sent(
    encode: Callable[[Any], str | None], value: Any, sent: str | None
) -> None:
    assert encode(value) == sent


WORDS = st.text() | st.from_regex(
    r"[0-9a-f]{32}|[0-9a-f-]{36}|[\w ,.'\"()#+-]{1,12}", fullmatch=True
)


@pytest.mark.long
@given(WORDS)
@example("set()")
@example("None # all of them")
@example("0b" + 30 * "1")
@example("True\n")
def test_cinder_takes_a_text_for_a_text(value: str) -> None:
    if encoding.cinder_word(value) is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        with pytest.raises((ValueError, SyntaxError)):
            literal_eval(value)


MODULES: list[Any] = [
    identity,
    role_assignment,
    image,
    network,
    router,
    security_group,
    volume,
]
FILTERS: list[tuple[Property, Filter]] = [
    (prop, filter_)
    for module in MODULES
    for table in module.RESOURCES.values()
    for prop in table.properties
    for filter_ in prop.filters.values()
]
SAMPLES: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
    "time": st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
}


@given(st.data(), st.sampled_from(FILTERS))
def test_a_filter_says_what_is_looked_for_in_a_text_or_leaves_it(
    data: st.DataObject, asked: tuple[Property, Filter]
) -> None:
    prop, filter_ = asked
    value = data.draw(SAMPLES.get(prop.kind, TEXTS))
    sent = filter_.encode(value)
    if sent is not None and filter_.param == "fixed_ips":
        sent = sent.partition("=")[2]  # Neutron's fixed_ips=ip_address=...
    assert sent is None or keeps_all(prop, filter_, sent, value)


# Also such texts as many filters are for.
TEXTS = st.text() | st.sampled_from(
    ["web-1", "10.0.0.1", "2001:DB8::5", "10.0.0.0/8", "tcp", "ingress", "public", "a,b", "IPv4"]
)


def keeps_all(prop: Property, filter_: Filter, sent: str, value: Any) -> bool:
    """Return whether a service that is sent this leaves out nothing of what is looked for."""
    if prop.kind == "boolean":
        return sent == str(value).lower()
    if prop.kind == "time":
        word, moment = sent.split(":", 1)
        return moment <= value if word == "gte" else moment > value
    if prop.kind == "integer":
        bound = int(sent)
        least, most = {
            "greater_than": (value - 1, value),
            "less_than": (value, value + 1),
        }.get(next(name for name, one in prop.filters.items() if one is filter_), (value, value))
        return bool(least <= bound <= most)
    if prop.kind in ("address", "addresses"):
        return ip_address(sent) == ip_address(value)
    return bool(sent == value)
