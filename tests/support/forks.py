"""Processes that are forked off one that has imported all that they need.

A process that dispatches spends most of its time on imports; one that is forked off spends none.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

import pytest

# What all of them need: a process has one process to fork from.
_IMPORTED = ["support.mail_victim", "support.victim", "pytest"]
_lock = threading.Lock()
_ready: list[bool] = []


def forked(target: Callable[..., None], *args: Any) -> tuple[ForkServerProcess, Connection]:
    """Start ``target(pipe, *args)`` in a process of its own; return it and this end of its pipe.

    It has the environment that the first of them was started in.
    """
    context = multiprocessing.get_context("forkserver")
    with _lock, pytest.MonkeyPatch.context() as patch:
        if not _ready:
            patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
            context.set_forkserver_preload(_IMPORTED)
            forkserver.ensure_running()
            _ready.append(True)
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()
    return process, ours
