"""The ways of asking for all servers, each run by bench/query.py in a process of its own.

A way is made ready first (imports, login, version documents), then measured: CPU of the process
(user and system) and wall time in seconds, and by how many MiB its memory rose above what it had
when it was ready.

    python bench/query_ways.py WAY URL
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lib"))

COLUMNS = ("id", "name", "status", "user_id", "project_id", "host", "created_at", "updated_at")
_LISTING = "/servers/detail?all_tenants=1&limit=1000"
_MICROVERSION = "2.47"
_REPEATS = 5
Work = Callable[[], Any]


def auth(url: str) -> dict[str, str]:
    """Return what a password login at the loopback cloud takes."""
    return {
        "auth_url": f"{url}/identity/v3",
        "username": "admin",
        "password": "bench",
        "project_name": "admin",
        "user_domain_id": "default",
        "project_domain_id": "default",
    }


def sdk(url: str) -> Work:
    """The SDK's list, every server kept."""
    import openstack

    connection = openstack.connect(
        auth=auth(url), region_name="RegionOne", load_yaml_config=False, load_envvars=False
    )
    connection.compute.get_endpoint_data()
    return lambda: list(connection.compute.servers(all_projects=True))


def keystoneauth(url: str) -> Work:
    """keystoneauth, page after page, and the standard library's json."""
    from keystoneauth1.identity.v3 import Password
    from keystoneauth1.session import Session

    session = Session(auth=Password(**auth(url)))
    where = {"service_type": "compute", "interface": "public"}
    session.get_endpoint_data(**where)

    def work() -> list[Any]:
        servers, path = [], _LISTING
        while path:
            answer = session.get(path, endpoint_filter=where, microversion=_MICROVERSION)
            page = json.loads(answer.content)
            servers += page["servers"]
            path = next((link["href"] for link in page.get("servers_links", ())), "")
        return servers

    return work


def limit(url: str) -> Work:
    """http.client and msgspec, page after page, seven fields: there is little left to leave out."""
    import http.client

    import msgspec

    renamed = {"host": "OS-EXT-SRV-ATTR:host"}
    names = ("id", "name", "status", "tenant_id", "user_id", "created", "host")
    server = msgspec.defstruct(
        "Server",
        [(name, str | None, msgspec.field(name=renamed.get(name, name))) for name in names],
        gc=False,
    )
    page = msgspec.defstruct(
        "Page", [("servers", list[server]), ("servers_links", list[dict[str, str]], [])]
    )
    decoder = msgspec.json.Decoder(page)
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", "/identity/v3/auth/tokens", b"{}")
    answer = connection.getresponse()
    answer.read()
    headers = {
        "X-Auth-Token": answer.headers["X-Subject-Token"],
        "OpenStack-API-Version": f"compute {_MICROVERSION}",
    }

    def work() -> list[Any]:
        servers, path = [], f"/compute/v2.1{_LISTING}"
        while path:
            connection.request("GET", path, headers=headers)
            read = decoder.decode(connection.getresponse().read())
            servers += read.servers
            path = read.servers_links[0]["href"] if read.servers_links else ""
        return servers

    return work


def ours(url: str) -> Work:
    """The same list, eight columns."""
    question, cloud = _question(), _ready(url)
    return lambda: question.run([cloud]).rows


def ours_worked(url: str) -> Work:
    """The list, and with it what is mostly done: conditions, sorting, grouping, text."""
    question, cloud = _worked(_question()), _ready(url)
    return lambda: question.run([cloud]).table().render("text")


def from_nothing(url: str) -> None:
    """Ask at once, as an action's process does: nothing is imported and nobody logged in."""
    _worked(_question()).run([_cloud(url)])


def _question() -> Any:
    from query_api.execution.query import query

    return query("server").select(*COLUMNS)


def _worked(question: Any) -> Any:
    return (
        question.where("status", "any_in", "SHUTOFF", "ERROR")
        .where("updated_at", "older_than", "30d")
        .sort_by("name")
        .group_by("project_id")
    )


def _cloud(url: str) -> Any:
    from accounts.cloud import Cloud
    from accounts.config import load

    entry = {"name": "bench", "auth": auth(url), "region_name": "RegionOne"}
    return Cloud.from_config(load({"clouds": [entry]}), None)


def _ready(url: str) -> Any:
    cloud = _cloud(url)
    cloud.endpoint("compute")
    cloud.endpoint("identity")
    return cloud


def verbs(url: str) -> dict[str, float]:
    """Return the CPU seconds of a whole query of each verb: the better of two runs."""
    from query_api.execution.query import query
    from query_api.language.conditions import any_of, not_, test

    cloud, every, plain = _ready(url), query("server"), _question()
    either = any_of(test("name", "matches_regex", "^(web|db)-"), test("tags", "has_tag", "gpu"))
    asked: dict[str, Any] = {
        "select": plain,
        "select_all": every.select_all(),
        "where": plain.where("status", "any_in", "SHUTOFF", "ERROR"),
        "any_of, not_": plain.where(not_(either)),
        "sort_by": plain.sort_by("-updated_at", "name"),
        "group_by": plain.group_by("project_id"),
        "aggregate": every.group_by("user_id").count().aggregate("max", "flavor.ram"),
        "distinct": plain.distinct(),
        "limit": plain.limit(100),
        "append_from": plain.append_from("user", "name", "email"),
        "then": every.then("user").select("name", "email"),
    }
    works: dict[str, Work] = {name: partial(one.run, [cloud]) for name, one in asked.items()}
    works["text"] = lambda: plain.run([cloud]).table().render("text")
    for work in works.values():
        work()  # imports and decoders are made once, and would make the small estate look dear
    return {name: min(_cpu_of(work) for _ in range(2)) for name, work in works.items()}


def join(url: str) -> dict[str, float]:
    """Return what joining users adds: CPU seconds, and requests that are not pages of servers."""
    from big_cloud import BigCloud

    cloud, counter = _ready(url), BigCloud(url)
    plain = _question()
    joined = plain.append_from("user", "email")
    joined.run([cloud])
    cpu: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(_REPEATS):  # in turn, so that a slow moment falls on both
        for wanted, question in ((True, joined), (False, plain)):
            cpu[wanted].append(_cpu_of(partial(question.run, [cloud])))
    counter.reset()
    rows = joined.run([cloud]).rows
    mails = sum(row[-1] is not None for row in rows)
    if not 0.9 < mails / len(rows) < 1:
        raise SystemExit(f"{mails} of {len(rows)} servers have a user with a mail address")
    counts = counter.counts()
    beyond = sum(n for path, n in counts.items() if "/servers" not in path)
    return {"cpu": min(cpu[True]) - min(cpu[False]), "beyond": beyond}


def _cpu_of(work: Work) -> float:
    gc.collect()
    before = _cpu()
    work()
    return _cpu() - before


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _memory(line: str) -> float:
    """Return a figure of /proc/self/status in MiB; getrusage's peak is inherited by a child."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(text.split()[1]) for text in lines if text.startswith(line)) / 1024


def _measured(make: Callable[[str], Work], url: str) -> dict[str, Any]:
    work = make(url)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
    memory, cpu, began = _memory("VmRSS"), _cpu(), time.monotonic()
    found = work()
    wall, used = time.monotonic() - began, _cpu() - cpu
    return {
        "cpu": used,
        "wall": wall,
        "memory": _memory("VmHWM") - memory,
        "process": _cpu(),
        "size": len(found),
        "sdk": "openstack" in sys.modules,
    }


LISTS = {"sdk": sdk, "keystoneauth": keystoneauth, "limit": limit}
LISTS |= {"ours": ours, "ours, worked": ours_worked}
PARTS: dict[str, Callable[[str], Any]] = {"verbs": verbs, "join": join}

if __name__ == "__main__":
    _way, _url = sys.argv[1:]
    print(json.dumps(PARTS[_way](_url) if _way in PARTS else _measured(LISTS[_way], _url)))
