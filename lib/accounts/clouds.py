"""Several clouds that one question is asked of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import copy_context
from typing import TypeVar

from accounts.cloud import Cloud
from accounts.config import PackConfig
from common.errors import CloudError, UserError

Answer = TypeVar("Answer")
# What is wrong with one cloud: what it said, or credentials and settings that are not accepted.
Failure = CloudError | UserError
EVERY = "*"


class Clouds(tuple[Cloud, ...]):
    """The clouds that a list names, each once, in the order of the list.

    Each is the one object that this call has of that cloud, so there is one login for it.
    """

    account_kind = "cloud"
    # The kind of account that each name of the list stands for.
    each = Cloud

    @property
    def name(self) -> str:
        """The names as :meth:`chosen` reads them."""
        return ",".join(cloud.name for cloud in self)

    @property
    def shown(self) -> str:
        """The clouds with their regions, for a sentence."""
        return ", ".join(cloud.shown for cloud in self)

    @staticmethod
    def chosen(config: PackConfig, given: str | Sequence[str] | None) -> list[str]:
        """Return the names of the clouds that are meant: ``*`` is every one that is configured,
        nothing the default one.

        Raises NotFound with near names, or UserError if nothing says which cloud is meant.
        """
        words = given.split(",") if isinstance(given, str) else given or ()
        names = [word.strip() for word in words if word.strip()]
        if EVERY in names and config.clouds:
            return [entry.name for entry in config.clouds]
        return list(dict.fromkeys(config.cloud(name).name for name in names or (None,)))


def of_each(
    clouds: Sequence[Cloud], ask: Callable[[Cloud], Answer]
) -> list[tuple[Cloud, Answer | Failure]]:
    """Return what ``ask`` answers of each cloud, asked side by side, or why it could not.

    Each cloud is logged in to first, so that what is wrong with its settings is its own failure.
    Raises what is wrong with all of them if none answers.
    """
    from concurrent.futures import ThreadPoolExecutor

    def answer(cloud: Cloud) -> Answer | Failure:
        try:
            cloud.log_in()
            return ask(cloud)
        except (CloudError, UserError) as error:
            return error

    with ThreadPoolExecutor(max(1, len(clouds))) as pool:
        # Each by the same look as this thread.
        futures = [pool.submit(copy_context().run, answer, cloud) for cloud in clouds]
        answers = [future.result() for future in futures]
    failed = [one for one in answers if isinstance(one, (CloudError, UserError))]
    if failed and len(failed) == len(answers):
        told = list(dict.fromkeys(map(str, failed)))
        raise failed[0] if len(told) == 1 else CloudError(" ".join(told))
    return list(zip(clouds, answers, strict=True))
