"""The limits on a template's operations and output size.

A template is a program of somebody else's. Its loops, calls and inclusions are counted, and what
makes large numbers or long texts of small ones is looked at before it is done, since a machine that
is busy with one operation cannot be interrupted.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

from jinja2 import TemplateRuntimeError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

# Rounds of loops, calls and inclusions of one part of a mail; characters of a text, or entries of a
# list; numbers, and what filters are given as a width or a count.
STEPS, LONGEST = 1_000_000, 4_000_000
# A call takes as long as so many rounds of a loop.
_CALL = 10
_LARGEST, _WIDEST, _POWER = 10**30, 10_000, 64
# Methods of texts that make long ones of short ones, or that nobody needs beside the filters.
_GROWING = frozenset(
    {"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "join", "replace",
     "translate"}
)  # fmt: skip
_ITERATED, _JOINED = "_iterated", "_joined"


class TooMuch(TemplateRuntimeError):
    """A template does, or makes, more than a mail needs; the message says what."""


class _Steps(threading.local):
    left = STEPS


_steps = _Steps()


@contextmanager
def bounded() -> Iterator[None]:
    """Give the templates that are rendered in the block a fresh number of steps."""
    _steps.left = STEPS
    try:
        yield
    finally:
        _steps.left = STEPS


def _spend(steps: int) -> None:
    _steps.left -= steps
    if _steps.left < 0:
        raise TooMuch(f"it takes more than {STEPS:,} steps: a loop or a call goes on and on")


def _iterated(value: Iterable[Any]) -> Iterable[Any]:
    """Return what a loop goes over, its rounds counted."""
    if not isinstance(value, Sized):
        value = list(value)
    _spend(len(value) + 1)
    return value


def _long(size: int) -> None:
    if size > LONGEST:
        raise TooMuch(f"it makes a text or list of {size:,} entries, and {LONGEST:,} are the most")


def _checked(value: Any) -> Any:
    """Return a value that is not too long, or a number that is not too large."""
    if isinstance(value, (str, list, tuple)):
        _long(len(value))
    elif isinstance(value, int) and abs(value) > _LARGEST:
        raise TooMuch("it makes a number that is far too large")
    return value


def _filtered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that takes no width or count that is out of all proportion."""

    @functools.wraps(function)
    def run(*arguments: Any, **named: Any) -> Any:
        for given in (*arguments[1:], *named.values()):
            if isinstance(given, (int, float)) and abs(given) > _WIDEST:
                raise TooMuch(f"{given:.15g} is too large for the filter {name}")
        _spend(1)
        return _checked(function(*arguments, **named))

    return run


class _Bounding(NodeTransformer):
    """Has loops counted and joined texts measured, whatever they are made of."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        self.generic_visit(node)
        node.iter = _filter(node.iter, _ITERATED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filter(node, _JOINED)


def _filter(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox, with an end to everything that a template does. Call :meth:`bound_filters` when
    all filters are there."""

    intercepted_binops = frozenset({"**", "*", "+", "%"})

    def bound_filters(self) -> None:
        """Bound what filters make, and what they are told to."""
        for name in ("format", "replace"):
            del self.filters[name]
        self.filters = {name: _filtered(name, one) for name, one in self.filters.items()}
        self.filters |= {_ITERATED: _iterated, _JOINED: _checked}

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = _Bounding().visit(super()._parse(source, name, filename))
        return tree

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Return what an operator makes of two values, if it is in proportion."""
        _spend(1)
        texts = [one for one in (left, right) if isinstance(one, (str, list, tuple))]
        if operator == "%" and isinstance(left, str):
            raise TooMuch("texts are not formatted with %: put their parts behind one another")
        if operator == "**" and (abs(left) > _LARGEST or abs(right) > _POWER):
            raise TooMuch(f"{left} ** {right} is far too large")
        if operator == "*" and texts:
            numbers = [one for one in (left, right) if isinstance(one, int)]
            _long(len(texts[0]) * max(0, *numbers, 0))
        if operator == "+" and texts:
            _long(sum(len(one) for one in texts))
        return _checked(super().call_binop(context, operator, left, right))

    def call(self, context: Any, function: Any, *arguments: Any, **named: Any) -> Any:
        """Return what a call answers; calls are counted."""
        _spend(_CALL)
        return _checked(super().call(context, function, *arguments, **named))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Say whether a template may have an attribute of a value."""
        growing = attr in _GROWING and isinstance(obj, (str, bytes))
        return not growing and super().is_safe_attribute(obj, attr, value)

    def get_template(self, *arguments: Any, **named: Any) -> Any:
        """Return a template; those that others take in are counted."""
        _spend(1)
        return super().get_template(*arguments, **named)
