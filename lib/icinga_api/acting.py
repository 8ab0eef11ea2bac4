"""Actions of an Icinga, and what it says that came of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from accounts.icinga import Icinga
from icinga_api import rights

Results = TypeVar("Results")


class Done(msgspec.Struct):
    """Icinga's answer; only its shape is checked."""

    results: list[dict[str, Any]]


def act(
    icinga: Icinga, action: str, body: Mapping[str, Any], doing: str, answer: type[Results]
) -> Results:
    """Have something done, and return the answer decoded.

    The body names what it is about (``host``, ``service``, ``downtimes``) and has no ``type``: with
    one, a name or list that is empty would mean everything there is. Raises as
    :meth:`accounts.http_account.HttpAccount.change`, with status 404 if anything named is not
    there; nothing is done then.
    """
    with rights.told(f"actions/{action}"):
        return icinga.change("POST", f"/v1/actions/{action}", answer, doing, body=body)
