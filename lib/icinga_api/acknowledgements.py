"""Acknowledgements of problems in an Icinga: somebody has seen it, so nobody is told again."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.icinga import Icinga
from icinga_api.acting import Done, act
from icinga_api.listing import Filter, objects

_ACKNOWLEDGEMENT = 4  # Icinga's number for comments of this kind
_MARKED = "comment.entry_type == wanted_type && comment.text.contains(wanted_mark)"


class Acknowledgement(msgspec.Struct, frozen=True):
    """An acknowledgement of a host, or with ``service`` of a service of it.

    Times are in seconds since the epoch; ``expires`` is 0 if it lasts until all is well.
    """

    host: str
    service: str | None
    author: str
    comment: str
    made: float
    expires: float


class _Attributes(msgspec.Struct):
    host_name: str
    entry_type: float
    author: str
    text: str
    entry_time: float
    service_name: str = ""
    expire_time: float = 0


def acknowledgements(icinga: Icinga, *, mark: str = "") -> list[Acknowledgement]:
    """Return the acknowledgements whose comments contain ``mark``. One request.

    Raises CloudError.
    """
    values = {"wanted_type": _ACKNOWLEDGEMENT, "wanted_mark": mark}
    found = objects(icinga, "comments", _Attributes, narrowed=Filter(_MARKED, values))
    return [
        Acknowledgement(
            host=one.host_name,
            service=one.service_name or None,
            author=one.author,
            comment=one.text,
            made=one.entry_time,
            expires=one.expire_time,
        )
        for one in (listed.attrs for listed in found)
        if one.entry_type == _ACKNOWLEDGEMENT and mark in one.text
    ]


def acknowledge(
    icinga: Icinga,
    name: str,
    *,
    author: str,
    comment: str,
    expires: float | None = None,
    sticky: bool = False,
    notify: bool = False,
) -> None:
    """Acknowledge the problem of a host (``cmp-1``) or service (``cmp-1!nova-compute``).

    ``expires`` is in seconds since the epoch. A ``sticky`` one lasts until all is well again, and
    not only until the problem is another; with ``notify`` Icinga tells those whom it tells of
    problems. Raises CloudError: status 404 if there is no such thing, 409 if it has no
    problem or is acknowledged; and as :meth:`accounts.http_account.HttpAccount.change`.
    """
    body: dict[str, Any] = {"author": author, "comment": comment, "notify": notify}
    if sticky:  # Icinga takes the word itself for yes, whatever its value is
        body["sticky"] = True
    if expires is not None:
        body["expiry"] = expires
    _act(icinga, "acknowledge-problem", name, "acknowledging a problem", body)


def remove_acknowledgement(icinga: Icinga, name: str, *, author: str) -> None:
    """Remove the acknowledgement of a host or service; none is no trouble. Raises as above."""
    doing = "removing an acknowledgement"
    _act(icinga, "remove-acknowledgement", name, doing, {"author": author})


def _act(icinga: Icinga, action: str, name: str, doing: str, body: dict[str, Any]) -> None:
    about = {"service" if "!" in name else "host": name}
    act(icinga, action, {**about, **body}, doing, Done)
