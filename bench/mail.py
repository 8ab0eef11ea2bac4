"""What it costs to mail the owners of many servers: ours, beside the limit and the nearest rival.

The cloud is a server on loopback with 8000 servers of 800 people who can be told of them (and
some who cannot: no address, disabled), the mail server another one, over TLS. `email.query` is
started as an operator starts it, a process of its own: it lists the servers, finds who owns them,
writes a mail for each and sends it. Counted are the CPU of that process with its start, the
requests and logins as the cloud saw them, and sessions and messages as the mail server saw them.
Requests are all but the login and version documents; a page is one of servers, users or projects.
`limit` sends the same bytes to the same server with smtplib and renders nothing.

    python bench/mail.py [--servers 8000] [--owners 800] [--rounds 3]

The rival's figures were measured with as many servers and owners; they are not measured here.
Exit status 1 if a target is missed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "tests"), str(TOP / "lib")]

from big_cloud import BigCloud, big_cloud  # noqa: E402
from mail_sink import mail_sink  # noqa: E402
from query import Target  # noqa: E402
from query_ways import auth  # noqa: E402

from support.certificates import Authority  # noqa: E402

RIVAL = {"cpu": 9227.0, "logins": 800, "sessions": 800}
_RENDERED = 1000
_LOGIN = "POST /identity/v3/auth/tokens"
_VERSIONS = {"GET /identity/v3", "GET /identity", "GET /compute", "GET /compute/v2.1"}
_PAGED = ("users", "projects")
Figures = dict[str, Any]


def main() -> None:
    """Measure, print the table, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", type=int, default=8000)
    parser.add_argument("--owners", type=int, default=800, help="who can be told")
    parser.add_argument("--rounds", type=int, default=3, help="fresh processes a figure")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        authority = Authority(place)
        certificate = authority.issue(["localhost"])
        with big_cloud(options.servers, _users(options.owners), 200) as cloud:
            ours = [
                end_to_end(place / str(turn), cloud, authority.file, certificate)
                for turn in range(options.rounds)
            ]
        bare = [
            limit(place / f"limit-{turn}", place / "0", authority.file, certificate)
            for turn in range(options.rounds)
        ]
    rendered = [_child("render", str(_RENDERED)) for _ in range(options.rounds)]
    # Other work on the machine only adds to it.
    told = {
        "ours": min(ours, key=lambda figures: figures["cpu"]),
        "limit": min(bare, key=lambda figures: figures["cpu"]),
        "rendered": min(rendered, key=lambda figures: figures["cpu"]),
        "rival": RIVAL,
    }
    targets = _targets(told, options.owners)
    missed = [target.name for target in targets if not target.met]
    if options.json:
        print(json.dumps({"figures": told, "missed": missed}))
    else:
        _show(told, options, targets)
    sys.exit(bool(missed))


def _users(owners: int) -> int:
    """Return how many users the cloud needs for so many to have an address and be enabled."""
    users = told = 0
    while told < owners:
        told += bool(users % 20 and users % 30)
        users += 1
    return users


def end_to_end(place: Path, cloud: BigCloud, authority: Path, certificate: Path) -> Figures:
    """Run `email.query` and return what it took."""
    place.mkdir()
    with mail_sink(place / "sink", certificate) as sink:
        config = {
            "clouds": [{"name": "bench", "auth": auth(cloud.url), "region_name": "RegionOne"}],
            "state_url": f"sqlite:///{place}/state.db",
            "smtp_accounts": [_account(sink.port, authority)],
        }
        path = place / "config.yaml"
        path.touch(0o600)
        path.write_text(yaml.safe_dump(config))
        _runbook(path, "run.list")  # whoever mails hundreds has a state store already
        cloud.reset()
        before, began = _children_cpu(), time.monotonic()
        done = _runbook(path, *_RUN)
        figures: Figures = {
            "cpu": _children_cpu() - before,
            "wall": time.monotonic() - began,
        }
    counts = cloud.counts()
    if done.returncode != 0:
        sys.exit(f"email.query failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    asked = {path: many for path, many in counts.items() if path not in {_LOGIN, *_VERSIONS}}
    pages = sum(
        many for path, many in asked.items() if path.split("/")[-1] in _PAGED or "/servers" in path
    )
    recipients = sink.recipients
    return {
        **figures,
        "logins": counts.get(_LOGIN, 0),
        "requests": sum(asked.values()),
        "pages": pages,
        "asked": asked,
        "sessions": sink.sessions,
        "messages": len(recipients),
        "people": len(set(recipients)),
        "bytes": sum(map(len, sink.messages)),
    }


def _runbook(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(TOP / "runbook"), "run", "--config", str(config), *words]
    return subprocess.run(command, capture_output=True, text=True)


_RUN = [
    "email.query",
    "resource=server",
    "select=name,id,status,project=project.name,created_at",
    "sort_by=name",
    "subject=Your servers",
    "text=These are your servers. Please say which of them you still need.",
    "max_recipients=100000",
    "dry_run=false",
    "--json",
]


def limit(place: Path, sent: Path, authority: Path, certificate: Path) -> Figures:
    """Send what ``sent`` holds once more, in one session, and render nothing."""
    with mail_sink(place, certificate) as sink:
        return _child("send", str(sent / "sink"), str(sink.port), str(authority))


def _account(port: int, authority: Path) -> Figures:
    return {
        "name": "bench",
        "host": "localhost",
        "port": port,
        "security": "tls",
        "cacert": str(authority),
        "sender": "Cloud <cloud@example.org>",
    }


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _child(*arguments: str) -> Figures:
    ways = Path(__file__).with_name("mail_ways.py")
    done = subprocess.run([sys.executable, str(ways), *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed:\n{done.stdout}{done.stderr}")
    figures: Figures = json.loads(done.stdout)
    return figures


def _targets(told: Figures, owners: int) -> list[Target]:
    ours = told["ours"]
    return [
        Target("CPU, from start to end", 4, ours["cpu"], "s"),
        Target("logins", 1, ours["logins"]),
        Target(f"requests beyond the {ours['pages']} pages", 3, _beyond(ours)),
        Target("SMTP sessions", 1, ours["sessions"]),
        Target("people told", owners, ours["people"], is_least=True),
        Target("mails a person", 1, ours["messages"] / max(1, ours["people"])),
        Target(f"{_RENDERED} messages rendered, CPU", 3, told["rendered"]["cpu"], "s"),
    ]


def _beyond(figures: Figures) -> int:
    return int(figures["requests"] - figures["pages"])


def _show(told: Figures, options: argparse.Namespace, targets: list[Target]) -> None:
    ours, bare = told["ours"], told["limit"]
    print(f"{options.servers} servers, {options.owners} people, {ours['bytes'] / 2**20:.1f} MiB")
    print(f"{'':28}{'CPU':>10}{'wall':>9}{'logins':>8}{'requests':>10}{'sessions':>10}")
    print(f"  {'ours':26}{ours['cpu']:9.2f}s{ours['wall']:8.2f}s{ours['logins']:8}", end="")
    print(f"{ours['requests']:10}{ours['sessions']:10}")
    print(
        f"  {'the limit: the same bytes':26}{bare['cpu']:9.2f}s{bare['wall']:8.2f}s{'':18}", end=""
    )
    print(f"{1:10}")
    print(f"  {'the nearest rival':26}{RIVAL['cpu']:9.0f}s{'':9}{RIVAL['logins']:8}{'':10}", end="")
    print(f"{RIVAL['sessions']:10}")
    print("requests: " + ", ".join(f"{many} {path}" for path, many in ours["asked"].items()))
    print(f"\n{'target':50}{'wanted':>10}{'reached':>10}")
    for target in targets:
        edge = ">=" if target.is_least else "<="
        print(f"{target.name:50}{edge}{target.wanted:>7g}{target.unit:2}", end="")
        print(f"{target.reached:>8.3g}{target.unit:2}{'' if target.met else ' MISSED'}")


if __name__ == "__main__":
    main()
