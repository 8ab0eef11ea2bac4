"""Who is to be told of a thing: from rows of a query to people with mail addresses.

Each row reaches a reader, or stands with whom it could not be told to, and why. How the owners of
a row are found is said in ``owners.resolvers``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from workflow_api import UserError, clean, listed

if TYPE_CHECKING:
    from email_api.addresses import Address

Row = Mapping[str, Any]
NO_ADDRESS, NOT_VALID, NO_OWNER = "no address", "address is not valid", "no owner"


class Owner(msgspec.Struct, frozen=True):
    """Somebody to whom a thing belongs; ``why`` says why they cannot be told, if they cannot."""

    name: str
    address: str = ""  # or several, as the cloud has it
    why: str = ""
    # Whether the name is a person's, by which they can be addressed.
    is_person: bool = False
    # Tells owners of one name apart.
    id: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Somebody who cannot be told, and why: ``no address``, ``user is disabled``."""

    owner: str
    why: str
    address: str = ""
    project: str = ""
    concerns: Sequence[str] = ()

    def __str__(self) -> str:
        about = ": ".join(filter(None, (clean(self.project), listed(map(clean, self.concerns)))))
        return f"{clean(self.owner)} ({about})" if about else clean(self.owner)


class Reader(msgspec.Struct):
    """One person and the rows that they are to be told of, each once."""

    to: Address
    names: list[str] = []
    rows: list[Row] = []

    @property
    def address(self) -> str:
        """Their address alone, without a name."""
        return self.to.spec

    @property
    def name(self) -> str | None:
        """How they are addressed; None if they have no name, or several share the address."""
        return self.names[0] if len(self.names) == 1 else None


class Readers(msgspec.Struct):
    """Who is told of what, by address, and who cannot be told."""

    told: list[Reader]
    left: list[LeftOut]

    @property
    def rows(self) -> list[Row]:
        """The rows that somebody is told of, each once."""
        return list({id(row): row for reader in self.told for row in reader.rows}.values())


class OwnerResolver(Protocol):
    """How the owners of a row are found. The query has to select ``columns``."""

    columns: tuple[str, ...]
    reasons: list[tuple[str, str]]  # why not all owners may be known: what is missing, and why

    def of(self, row: Row, unread: Collection[str] = ()) -> Iterable[Owner]:
        """Return the owners of a row; none if it has none.

        What is missing in a column that is among ``unread`` may only not have been read.
        """


def readers(
    rows: Iterable[Row],
    resolver: OwnerResolver,
    local_domains: Sequence[str] = (),
    *,
    unread: Collection[str] = (),
    name: str = "name",
) -> Readers:
    """Return the rows by person, in the order in which these first come up.

    People are told apart by their address, case aside. ``unread`` are the columns of the rows that
    may be empty only because they could not be read. ``name`` is the column by which what a person
    cannot be told of is called; its id if it has no name.
    """
    told: dict[str, Reader] = {}
    left: dict[tuple[str, ...], LeftOut] = {}
    places: dict[str, Address | None] = {}
    for row in rows:
        seen: set[str] = set()
        owners = list(resolver.of(row, unread)) or [Owner("nobody", why=NO_OWNER)]
        for owner, text in ((one, text) for one in owners for text in _texts(one)):
            if text not in places:
                places[text] = _address(text, local_domains)
            to = places[text]
            why = owner.why or (NOT_VALID if text else NO_ADDRESS)
            if owner.why or to is None:
                its = (owner.id or owner.name, why, text, row.get("project_id") or project_of(row))
                new = LeftOut(clean(owner.name), why, clean(text), project_of(row))
                known = left.setdefault(its, new)
                left[its] = replace(known, concerns=(*known.concerns, label(row, name)))
            elif to.key not in seen:
                seen.add(to.key)
                reader = told.setdefault(to.key, Reader(to))
                reader.rows.append(row)
                if owner.is_person and owner.name not in reader.names:
                    reader.names.append(owner.name)
    return Readers(list(told.values()), list(left.values()))


def project_of(row: Row) -> str:
    """Return the name of the project that a row is of, or its id; nothing if it has none."""
    return clean(row.get("project.name") or row.get("project_id") or "")


def label(row: Row, name: str = "name") -> str:
    """Return what a row is called, for people."""
    return clean(row.get(name) or row.get("id") or "?")


def _texts(owner: Owner) -> Sequence[str]:
    """Return the addresses of an owner who is to be told; else what is known, in one."""
    from email_api.mailboxes import mailboxes

    return [owner.address] if owner.why else mailboxes(owner.address) or [owner.address]


def _address(text: str, local_domains: Sequence[str]) -> Address | None:
    """Return the address that a text is; None if it is none."""
    from email_api.addresses import address

    if not text:
        return None
    try:
        return address(text, local_domains)
    except UserError:
        return None
