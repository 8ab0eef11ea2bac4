"""Reading YAML that a person wrote: nothing in it is passed over, and nothing of it explodes."""

from __future__ import annotations

from typing import Any

import yaml

from common.text import clean

# Aliases can make a few lines into millions of values, and brackets exhaust Python's stack.
MOST_VALUES, DEEPEST = 200_000, 50
LONGEST = 1024**2


class Unreadable(Exception):
    """What is wrong with a YAML text, as a part of a sentence, and in which line if it is known.

    It never holds a value of the text, which can be a password.
    """

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why, self.line = why, line


def load(text: str) -> Any:
    """Return what a YAML text says, as PyYAML's safe loader makes it.

    Raises Unreadable for what is no YAML, for a key that stands twice in one mapping, and for a
    text that is too long, nested too deeply, or refers to itself.
    """
    if len(text) > LONGEST:
        raise Unreadable(f"it is longer than {LONGEST // 1024**2} MiB")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _Sizes().of(node, 0)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = clean(getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML")
        raise Unreadable(why, mark.line + 1 if mark else 0) from None
    except RecursionError:
        raise Unreadable("it is nested too deeply") from None
    except (
        ValueError,
        TypeError,
        LookupError,
        OverflowError,
    ):  # the 30th of February, !!bool maybe
        raise Unreadable("a value is not right, as a date that there is not") from None


class _Sizes:
    """How many values each node stands for, with what its aliases repeat."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}

    def of(self, node: yaml.Node, depth: int) -> int:
        if depth > DEEPEST:
            raise Unreadable("it is nested too deeply", node.start_mark.line + 1)
        if id(node) not in self._known:
            self._known[id(node)] = 0  # who comes back here meanwhile has come in a circle
            size = 1 + sum(self.of(inner, depth + 1) for inner in _within(node))
            if size > MOST_VALUES:
                raise Unreadable("its aliases make too much of it", node.start_mark.line + 1)
            self._known[id(node)] = size
        elif not self._known[id(node)]:
            raise Unreadable("it refers to itself", node.start_mark.line + 1)
        return self._known[id(node)]


def _within(node: yaml.Node) -> list[yaml.Node]:
    """Return the nodes in a node; raise Unreadable for a mapping with a key that stands twice."""
    if isinstance(node, yaml.SequenceNode):
        return list(node.value)
    if not isinstance(node, yaml.MappingNode):
        return []
    first: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in first:
                twice = f"the key {clean(key.value)!r} is there twice, first in line {first[name]}"
                raise Unreadable(twice, line)
            first[name] = line
    return [inner for pair in node.value for inner in pair]
