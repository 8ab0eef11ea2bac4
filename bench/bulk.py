"""What stopping many servers costs: ours, beside a loop of the SDK, and beside one CLI call each.

Two hundred small servers of devcloud are stopped, several times over, by two ways in turn: `limit`
(the bare SDK: log in, list them, and a loop in as many threads that stops one and polls it until
it is off) and `ours` (`bulk.run` over `server.stop`, from the start of the process to its end, so
with start-up, both looks, the journal and the report). Requests are counted by a proxy in front of
every endpoint. `openstack server stop` is measured on a sample, one call each: what that makes for
all of them is said.

    python bench/bulk.py [--servers 200] [--parallel 10] [--rounds 3]

Exit status 1 if ours takes longer than 1.15 of the limit, or does not send fewer requests.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "bench")]

from bench_cloud import STATE, Bench, bench_cloud  # noqa: E402

_ALLOWED = 1.15
_POLL = 0.5
_NAME = "bench-bulk"
_SAMPLE = 5


@dataclass
class Figures:
    """What one way cost in one round; seconds."""

    total: float
    changing: float
    requests: int
    changes: int
    listings: int
    polls: int
    parts: dict[str, float] = field(default_factory=dict)


def main() -> None:
    """Measure in turn, print the medians, and exit with 1 if a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=200)
    parser.add_argument("--parallel", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    ways = {"limit": limit, "ours": ours}
    seen: dict[str, list[Figures]] = {name: [] for name in ways}
    with bench_cloud(options.servers, name=_NAME, host=None) as bench:
        for _ in range(options.rounds):
            # In turn, so that a slow moment of the machine falls on both.
            for name, way in ways.items():
                start_all(bench)
                seen[name].append(way(bench, options.parallel))
                must_be_off(bench, options.servers)
        start_all(bench)
        one_call, of_one = cli(bench)
    ratio = median(seen["ours"], "total") / median(seen["limit"], "total")
    fewer = median(seen["ours"], "requests") < median(seen["limit"], "requests")
    if options.json:
        print(json.dumps({n: [vars(f) for f in fs] for n, fs in seen.items()}))
    else:
        show(options, seen, ratio)
        print(
            f"`openstack server stop` takes {one_call:.2f}s and {of_one:.0f} requests a call "
            f"(median of {_SAMPLE}): {one_call * options.servers / options.parallel:.0f}s and "
            f"{of_one * options.servers:.0f} requests for all, {options.parallel} at once, if as "
            "many take no longer; it waits for none of them"
        )
    sys.exit(ratio > _ALLOWED or not fewer)


def show(options: argparse.Namespace, seen: dict[str, list[Figures]], ratio: float) -> None:
    """Print the table."""
    print(f"{options.servers} servers stopped, {options.parallel} at once, median of", end=" ")
    print(f"{options.rounds} rounds")
    print(f"{'way':8}{'total':>9}{'changing':>10}{'requests':>10}{'changes':>9}", end="")
    print(f"{'listings':>10}{'polls':>7}")
    for name, figures in seen.items():
        print(f"{name:8}{median(figures, 'total'):8.2f}s", end="")
        print(f"{median(figures, 'changing'):9.2f}s", end="")
        for column, size in (("requests", 10), ("changes", 9), ("listings", 10), ("polls", 7)):
            print(f"{median(figures, column):{size}.0f}", end="")
        print()
    for part in seen["ours"][0].parts:
        print(f"  ours, {part:10}{statistics.median(f.parts[part] for f in seen['ours']):6.2f}s")
    print(f"ours takes {ratio:.2f} of the limit's time ({_ALLOWED} allowed)")


def median(figures: list[Figures], name: str) -> float:
    """Return the median of one figure over the rounds."""
    return statistics.median(getattr(entry, name) for entry in figures)


def servers_of(sdk: Any) -> list[Any]:
    """Return the servers of the benchmark."""
    return list(sdk.compute.servers(all_projects=True, name=f"^{_NAME}-"))


def start_all(bench: Bench) -> None:
    """Have every server run, without counting it."""
    off = [server.id for server in servers_of(bench.direct) if server.status == "SHUTOFF"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bench.direct.compute.start_server, off))
    until = time.monotonic() + 300
    while any(s.status != "ACTIVE" or s.task_state for s in servers_of(bench.direct)):
        if time.monotonic() > until:
            raise SystemExit("the servers did not start within 300 s")
        time.sleep(1)
    bench.proxy.clear()


def must_be_off(bench: Bench, number: int) -> None:
    """Exit unless all of them are shut off."""
    off = [server for server in servers_of(bench.direct) if server.status == "SHUTOFF"]
    if len(off) != number:
        raise SystemExit(f"{len(off)} of {number} servers are shut off")


def limit(bench: Bench, parallel: int) -> Figures:
    """The bare SDK: a thread a server, each polls its own server until it is off."""
    began = time.monotonic()
    sdk = bench.connect()
    servers = [server.id for server in servers_of(sdk)]

    def stop(server: str) -> None:
        sdk.compute.stop_server(server)
        while sdk.compute.get_server(server).status != "SHUTOFF":
            time.sleep(_POLL)

    with ThreadPoolExecutor(parallel) as pool:
        list(pool.map(stop, servers))
    return _figures(bench, began, time.monotonic())


def ours(bench: Bench, parallel: int) -> Figures:
    """`bulk.run` as an operator starts it: a process of its own."""
    words = [
        "action=server.stop",
        f"where=name starts_with {_NAME}-",
        f"max_parallel={parallel}",
        "max_changes=10000",
        "on_failure=continue",
        "dry_run=false",
    ]
    command = [sys.executable, str(TOP / "runbook"), "run", "--config", str(bench.config)]
    began = time.monotonic()
    done = subprocess.run([*command, "bulk.run", *words, "--json"], capture_output=True, text=True)
    ended = time.monotonic()
    if done.returncode != 0:
        raise SystemExit(f"the bulk run failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    figures = _figures(bench, began, ended)
    requests = bench.proxy.requests
    first = next(r for r in requests if r.is_change and r.path.endswith("/action"))
    figures.parts = {
        "start-up": requests[0].started - began,
        "drawing": first.started - requests[0].started,
        "changing": figures.changing,
        "end": ended - max(r.ended for r in requests),
    }
    return figures


def cli(bench: Bench) -> tuple[float, float]:
    """Return the seconds and the requests of one `openstack server stop`, by a sample."""
    words = [str(STATE / "venv" / "bin" / "python"), "-m", "openstackclient.shell"]
    auth = {f"OS_{name.upper()}": str(value) for name, value in bench.auth["auth"].items()}
    env = {**os.environ, **auth, "OS_REGION_NAME": bench.auth["region_name"]}
    env["OS_IDENTITY_API_VERSION"] = "3"
    took = []
    bench.proxy.clear()
    for server in servers_of(bench.direct)[:_SAMPLE]:
        began = time.monotonic()
        subprocess.run([*words, "server", "stop", server.id], env=env, check=True)
        took.append(time.monotonic() - began)
    return statistics.median(took), len(bench.proxy.requests) / _SAMPLE


def _figures(bench: Bench, began: float, ended: float) -> Figures:
    requests = bench.proxy.requests
    changes = [r for r in requests if r.is_change and r.path.endswith("/action")]
    last = max(r.ended for r in requests if r.method == "GET" and "/servers" in r.path)
    after = [r for r in requests if r.method == "GET" and r.started > changes[0].started]
    listings = [r for r in after if "/servers/detail" in r.path]
    return Figures(
        ended - began,
        last - changes[0].started,
        len(requests),
        len(changes),
        len(listings),
        len(after) - len(listings),
    )


if __name__ == "__main__":
    main()
