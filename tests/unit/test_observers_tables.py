"""State tables have no gaps and no overlaps, and every state is one that the observer explains."""

from __future__ import annotations

import importlib
from itertools import product
from types import ModuleType
from typing import get_args, get_type_hints

import pytest

from observers.observer import names, observer
from observers.tables import rows_for

MODULES = [importlib.import_module(f"observers.{name}") for name in names()]
WITH_TABLE = [module for module in MODULES if hasattr(module, "TABLE")]


def signs_of(module: ModuleType) -> dict[str, tuple[str, ...]]:
    return {name: get_args(hint) for name, hint in get_type_hints(module.Signs).items()}


def test_there_are_tables() -> None:
    found = {module.OBSERVER.name for module in WITH_TABLE}
    assert {"hypervisor_state", "server_state", "agent_state"} <= found


@pytest.mark.parametrize("module", WITH_TABLE, ids=lambda module: module.__name__)
def test_any_signs_are_those_of_exactly_one_row(module: ModuleType) -> None:
    signs = signs_of(module)
    for values in product(*signs.values()):
        known = module.Signs(**dict(zip(signs, values, strict=True)))
        assert len(rows_for(module.TABLE, known)) == 1, known


@pytest.mark.parametrize("module", WITH_TABLE, ids=lambda module: module.__name__)
def test_a_table_has_no_word_that_no_sign_has(module: ModuleType) -> None:
    signs = signs_of(module)
    for _, wanted in module.TABLE:
        for sign, words in wanted.items():
            assert set(words.split()) <= set(signs[sign])
    states = {state for state, _ in module.TABLE} - {""}
    assert states == set(module.OBSERVER.states)


@pytest.mark.parametrize("name", names())
def test_what_is_normal_is_a_state(name: str) -> None:
    assert set(observer(name).normal) <= set(observer(name).states)
