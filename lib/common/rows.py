"""Rows that are kept as columns, and read as mappings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload


class Rows(Sequence[dict[str, Any]]):
    """The rows of columns of the same length: a mapping each, made when it is looked at.

    A hundred thousand mappings would take several times as much memory as their values.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]], number: int) -> None:
        self.columns, self._number = columns, number

    @classmethod
    def of(cls, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Rows:
        """Return what has these names, from rows with a value for each."""
        turned = zip(*rows, strict=True) if rows else iter([()] * len(names))
        return cls(dict(zip(names, turned, strict=True)), len(rows))

    def only(self, names: Iterable[str]) -> Rows:
        """Return the rows with these columns, None in those that are not there."""
        none = [None] * self._number
        return Rows({name: self.columns.get(name, none) for name in names}, self._number)

    def __len__(self) -> int:
        return self._number

    @overload
    def __getitem__(self, at: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, at: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(self._number))]
        number = range(self._number)[at]
        return {name: values[number] for name, values in self.columns.items()}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # what is equal to a list cannot have one
