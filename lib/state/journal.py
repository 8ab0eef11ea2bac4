"""The journal: every run, its steps and attempts, what it claims, and who may act for it."""

from __future__ import annotations

from state.claims import Claims
from state.runs import Runs
from state.steps import Steps


class Journal(Runs, Claims, Steps):
    """The journal of one state store.

    ``root`` and ``generation``, which every write of a run begins with, are its fence: the root
    run and the generation of its lease under which the caller acts. Where that lease does not
    hold, the write raises LeaseLost and leaves nothing.
    """
