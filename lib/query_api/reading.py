"""Reading from one cloud for one query: bounded, counted, and honest about what was not seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from accounts.cloud import Cloud
from query_api import reader

Item = TypeVar("Item")
Answer = TypeVar("Answer")


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
        self.log_in()  # once, also if it fails
        with ThreadPoolExecutor(min(len(todo), self.most)) as pool:
            futures = [pool.submit(function, item) for item in todo]
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
