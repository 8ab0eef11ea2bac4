"""Decoding in many threads: msgspec alone crashes if two of them use a new type at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIB = Path(__file__).parents[2] / "lib"
_TYPES = 150
# In a process of its own: what goes wrong ends it.
_THREADS = f"""
import sys, threading
sys.path.insert(0, sys.argv[1])
sys.setswitchinterval(1e-6)
import msgspec
from query_api.wire.reader import converted, decoder

class Shared(msgspec.Struct):
    x: int | None = None

def made():
    more = [(f"a{{n}}", str | None, None) for n in range(10)]
    row = msgspec.defstruct("Row", [("shared", Shared | None, None), *more], gc=False)
    return msgspec.defstruct("Answer", [("rows", list[row])])

def work(shape, start):
    start.wait()
    assert decoder(shape).decode(b'{{"rows": [{{"a0": "x"}}]}}').rows[0].a0 == "x"
    assert converted({{"rows": [{{"a0": "x"}}]}}, shape).rows[0].a0 == "x"

for _ in range({_TYPES}):
    shape, start = made(), threading.Barrier(3)
    threads = [threading.Thread(target=work, args=(shape, start)) for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
print("done")
"""


@pytest.mark.long
def test_types_that_are_new_to_all_threads() -> None:
    command = [sys.executable, "-c", _THREADS, str(LIB)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")
