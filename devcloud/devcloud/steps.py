"""Steps that wait for one another and otherwise run side by side."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from devcloud.errors import DevcloudError


@dataclass(frozen=True)
class Step:
    """Something to do, once everything named in `after` is done."""

    name: str
    action: Callable[[], None]
    after: tuple[str, ...] = ()


class GivenUp(Exception):
    """A step was not run to its end, because another one has failed."""


def run_steps(steps: Sequence[Step], given_up: threading.Event) -> None:
    """Run all steps, each as soon as it can; sets `given_up` and raises what failed first."""
    missing = {name for step in steps for name in step.after} - {step.name for step in steps}
    if missing:
        raise DevcloudError(f"no such step: {', '.join(sorted(missing))}")
    done: dict[str, Future] = {step.name: Future() for step in steps}

    def run(step: Step) -> None:
        try:
            for name in step.after:
                done[name].result()
            if given_up.is_set():
                raise GivenUp
            step.action()
        except BaseException as error:
            failure = GivenUp() if given_up.is_set() else error
            given_up.set()
            done[step.name].set_exception(failure)
        else:
            done[step.name].set_result(None)

    with ThreadPoolExecutor(max_workers=len(steps)) as pool:
        for step in steps:
            pool.submit(run, step)
    failures = [error for future in done.values() if (error := future.exception())]
    for error in failures:
        if not isinstance(error, GivenUp):
            raise error
