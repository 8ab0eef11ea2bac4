"""What a drain costs: ours, beside the bare SDK with as many threads, and beside one by one.

Twelve small servers are put on one hypervisor of devcloud and moved off it, several times over,
by three ways in turn: `limit` (the bare SDK, a thread a server, each polling its own), `one by
one` (the same calls in a loop) and `ours` (`hypervisor.drain`, a process of its own). For each
way: wall time from the first migration request to the last settled server, requests and polls
counted by a proxy in front of every endpoint, and CPU. For ours also start-up, pre-flight,
verification and the whole.

    python bench/drain.py [--servers 12] [--parallel 4] [--rounds 3]

Exit status 1 if ours takes longer than 1.15 of the limit, or does not send
fewer requests than one by one.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "bench")]

from bench_cloud import Bench, bench_cloud  # noqa: E402

_ALLOWED = 1.15
_POLL = 0.5


@dataclass
class Figures:
    """What one way cost in one round; seconds."""

    moving: float
    requests: int
    polls: int
    logins: int
    cpu: float
    parts: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure in turn, print the medians, and exit with 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=12)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    ways = {"limit": limit, "one by one": one_by_one, "ours": ours}
    seen: dict[str, list[Figures]] = {name: [] for name in ways}
    with bench_cloud(options.servers) as bench:
        for _ in range(options.rounds):
            # In turn, so that a slow moment of the machine falls on all of them.
            for name, way in ways.items():
                bench.gather("cmp-1")
                seen[name].append(way(bench, options.parallel))
    ratio = median(seen["ours"], "moving") / median(seen["limit"], "moving")
    fewer = median(seen["ours"], "requests") < median(seen["one by one"], "requests")
    if options.json:
        print(json.dumps({n: [vars(f) for f in fs] for n, fs in seen.items()}))
    else:
        show(options, seen, ratio)
    sys.exit(ratio > _ALLOWED or not fewer)


def show(options: argparse.Namespace, seen: dict[str, list[Figures]], ratio: float) -> None:
    """Print the table."""
    print(f"{options.servers} servers off one hypervisor, at most {options.parallel} at once,")
    print(f"median of {options.rounds} rounds")
    print(f"{'way':12}{'moving':>9}{'of limit':>10}{'requests':>10}{'polls':>7}", end="")
    print(f"{'logins':>8}{'CPU':>8}")
    base = median(seen["limit"], "moving")
    for name, figures in seen.items():
        moving = median(figures, "moving")
        print(f"{name:12}{moving:8.2f}s{moving / base:10.2f}", end="")
        for column, size in (("requests", 10), ("polls", 7), ("logins", 8)):
            print(f"{median(figures, column):{size}.0f}", end="")
        print(f"{median(figures, 'cpu'):7.2f}s")
    parts = [figures.parts for figures in seen["ours"]]
    for part in parts[0]:
        print(f"  ours, {part:14}{statistics.median(p[part] for p in parts):6.2f}s")
    print(f"ours takes {ratio:.2f} of the limit's time ({_ALLOWED} allowed)")


def median(figures: list[Figures], name: str) -> float:
    """Return the median of one figure over the rounds."""
    return statistics.median(getattr(entry, name) for entry in figures)


def limit(bench: Bench, parallel: int) -> Figures:
    """The bare SDK: a thread a server, each polls its own server until it is elsewhere."""
    return _with_sdk(bench, parallel)


def one_by_one(bench: Bench, parallel: int) -> Figures:
    """The same calls in a loop, as most packs do."""
    return _with_sdk(bench, 1)


def _with_sdk(bench: Bench, parallel: int) -> Figures:
    bench.proxy.clear()
    cpu = time.process_time()
    sdk = bench.connect()
    servers = [server.id for server in sdk.compute.servers(all_projects=True, compute_host="cmp-1")]
    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(lambda server: _move(sdk, server), servers))
    return _figures(bench, time.process_time() - cpu)


def _move(sdk, server: str) -> None:
    sdk.compute.live_migrate_server(server, block_migration="auto")
    while True:
        now = sdk.compute.get_server(server)
        if now.status == "ACTIVE" and now.task_state is None and now.compute_host != "cmp-1":
            return
        time.sleep(_POLL)


def ours(bench: Bench, parallel: int) -> Figures:
    """`hypervisor.drain` as an operator starts it: a process of its own."""
    bench.proxy.clear()
    parameters = [
        "hypervisor=cmp-1",
        "reason=benchmark",
        f"max_parallel={parallel}",
        "dry_run=false",
    ]
    command = [sys.executable, str(TOP / "runbook"), "run", "--config", str(bench.config)]
    before, started = _children_cpu(), time.monotonic()
    done = subprocess.run(
        [*command, "hypervisor.drain", *parameters, "--json"], capture_output=True, text=True
    )
    ended, cpu = time.monotonic(), _children_cpu() - before
    if done.returncode != 0:
        sys.exit(f"the drain failed:\n{done.stdout}\n{done.stderr}")
    figures = _figures(bench, cpu)
    requests = bench.proxy.requests
    moves = [r for r in requests if r.is_change and "/servers/" in r.path]
    first, last = moves[0].started, _last_settled(bench)
    figures.parts = {
        "start-up": requests[0].started - started,
        "pre-flight": first - requests[0].started,
        "moving": last - first,
        "verification": ended - last,
        "total": ended - started,
    }
    return figures


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _figures(bench: Bench, cpu: float) -> Figures:
    requests = bench.proxy.requests
    first = next(r for r in requests if r.is_change and r.path.endswith("/action"))
    last = _last_settled(bench)
    polls = [r for r in requests if r.method == "GET" and first.started < r.started < last]
    return Figures(last - first.started, len(requests), len(polls), len(bench.proxy.logins()), cpu)


def _last_settled(bench: Bench) -> float:
    """Return when the last server was seen settled, by the answer that showed it.

    The SDK's way asks for each server, ours for the records of migrations.
    """
    asked = re.compile(r"/servers/[0-9a-f-]{36}$|/os-migrations\?")
    return max(r.ended for r in bench.proxy.requests if r.method == "GET" and asked.search(r.path))


if __name__ == "__main__":
    main()
