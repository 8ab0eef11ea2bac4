"""What an account of Icinga lacks, where Icinga does not say it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from accounts.http_account import not_there
from common.errors import CloudError


@contextmanager
def told(right: str) -> Iterator[None]:
    """Have a CloudError of the block say which right it needs, where that may be the trouble.

    Icinga answers that it has found nothing to who may not look.
    """
    try:
        yield
    except CloudError as error:
        if not not_there(error):
            raise
        raise CloudError(
            error.message,
            status=error.status,
            advice=f"Icinga says so too where the account lacks the permission {right}.",
        ) from None
