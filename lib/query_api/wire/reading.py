"""Reading from one cloud for one query: bounded, counted, and honest about what was not seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextvars import copy_context
from typing import Any, TypeVar

from accounts.cloud import Cloud
from common.errors import CloudError
from common.text import listed
from query_api.wire import reader

Item = TypeVar("Item")
Answer = TypeVar("Answer")
# After so many failures of requests that belong together the others of them are not sent: each
# failure may have taken as long as a request is given.
_MOST_FAILED = 20


class _Gates:
    """How many requests one service is sent at once, by all queries of this process."""

    def __init__(self, cloud: Cloud) -> None:
        self._most = cloud.config.limits.parallel_requests
        self._gates: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    def to(self, service: str) -> threading.BoundedSemaphore:
        with self._lock:
            return self._gates.setdefault(service, threading.BoundedSemaphore(self._most))


class _Refused:
    """The microversions that a service was too old for, so that they are asked for once."""

    def __init__(self, cloud: Cloud) -> None:
        self.versions: set[tuple[str, str]] = set()


class Reading:
    """One cloud, one query. Counts its requests; gathers why its answer is not whole."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.requests: dict[str, int] = {}
        self.reasons: list[tuple[str, str]] = []
        # How often rows were said to be missing, also if it stood among the reasons already.
        self.cut = 0
        # Whether reading stopped at a limit where there may be more rows.
        self.left_off = False
        # Paths whose values may be missing only because they could not be read.
        self.unread: set[str] = set()
        # Values of "resource.property" that others are asked by, such as all domains: read once.
        self.values: dict[str, list[Any]] = {}
        self._lock = threading.Lock()

    @property
    def most(self) -> int:
        """How many requests one service is sent at once."""
        return self.cloud.config.limits.parallel_requests

    def log_in(self) -> None:
        """Log in to the cloud, if this has not been done. Raises CloudError, UserError."""
        self.cloud.log_in()

    def incomplete(self, what: str, why: str, *, rows: bool = True) -> None:
        """Say that something is missing in the answer; said twice it stands there once.

        ``rows`` says that whole rows may be, and not just something in those that are there.
        """
        with self._lock:
            self.cut += rows
            if (what, why) not in self.reasons:
                self.reasons.append((what, why))

    def mark(self) -> tuple[int, int]:
        """Return what :meth:`take_back` goes back to."""
        return len(self.reasons), self.cut

    def take_back(self, mark: tuple[int, int]) -> None:
        """Forget what was said to be missing since a mark: all that was wanted was found."""
        with self._lock:
            del self.reasons[mark[0] :]
            self.cut = mark[1]

    def one(
        self,
        service: str,
        path: str,
        shape: Any,
        params: Mapping[str, Any] | None = None,
        microversion: str | None = None,
    ) -> Any:
        """Return the answer to one GET decoded as ``shape``. Raises CloudError."""
        with self._lock:
            self.requests[service] = self.requests.get(service, 0) + 1
        with self.cloud.shared(_Gates).to(service):
            return reader.one(
                self.cloud, service, path, shape, params=params, microversion=microversion
            )

    def refused_versions(self) -> set[tuple[str, str]]:
        """Return the (service, microversion) pairs that this cloud has refused."""
        return self.cloud.shared(_Refused).versions

    def each(self, function: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
        """Return ``function`` of each item, asked side by side, in the order of the items.

        The first failure is raised, and what has not begun is not begun.
        """
        todo = list(items)
        if len(todo) < 2:
            return [function(item) for item in todo]
        from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

        self.log_in()  # once, also if it fails
        with ThreadPoolExecutor(min(len(todo), self.most)) as pool:
            # Each by the same look as this thread.
            futures = [pool.submit(copy_context().run, function, item) for item in todo]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                for future in futures:
                    future.cancel()
            # Of those that were begun, the first that failed: only then were others cancelled.
            failed = (f.exception() for f in futures if not f.cancelled())
            if error := next(filter(None, failed), None):
                raise error
            return [future.result() for future in futures]

    def tried(
        self, function: Callable[[Item], Answer], items: Iterable[Item]
    ) -> list[Answer | CloudError]:
        """Return as :meth:`each` what is answered, and the CloudError of what could not be read.

        Where nothing answers, or much does not, the rest is not asked for.
        """
        failed: list[CloudError] = []
        answered = threading.Event()

        def attempt(item: Item) -> Answer | CloudError:
            patience = _MOST_FAILED if answered.is_set() else min(self.most, _MOST_FAILED)
            if len(failed) >= patience:
                return CloudError(f"not asked for, since others could not be read: {failed[0]}")
            try:
                answer = function(item)
            except CloudError as error:
                failed.append(error)
                return error
            answered.set()
            return answer

        return self.each(attempt, items)

    def answers(
        self,
        function: Callable[[Item], Answer],
        items: Iterable[Item],
        what: Callable[[Item], str],
    ) -> dict[Item, Answer]:
        """Return ``function`` of each item that could be read, by item.

        What could not be read is said to be missing, as ``what`` calls it. Raises the first
        CloudError if nothing could be read.
        """
        todo = list(dict.fromkeys(items))
        tried = dict(zip(todo, self.tried(function, todo), strict=True))
        self.say_failed([(what(item), got) for item, got in tried.items()])
        return {item: got for item, got in tried.items() if not isinstance(got, CloudError)}

    def say_failed(self, tried: Iterable[tuple[str, object]]) -> None:
        """Say what could not be read: of pairs of its name and what :meth:`tried` returned.

        Raises the first CloudError if there is nothing else.
        """
        told = list(tried)
        names: dict[str, list[str]] = {}
        errors = [got for _, got in told if isinstance(got, CloudError)]
        if errors and len(errors) == len(told):
            raise errors[0]
        for name, got in told:
            if isinstance(got, CloudError):
                names.setdefault(str(got), []).append(name)
        for why, of in names.items():
            self.incomplete(listed(dict.fromkeys(of), 5), why)
