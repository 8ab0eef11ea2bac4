"""bulk.run over files: how they are read, every kind of bad row, and the file of what became."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bulk.files import Sheet, read
from common.errors import UserError
from common.files import Places
from support.bulk import Site
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Hypervisor, Server
from support.fake_cloud_power import Power

NAMES = ("web-1", "web-2", "web-3")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    servers = [Server(name) for name in NAMES]
    with FakeCloud([Hypervisor("cmp-1")], servers) as fake:
        for server in servers:
            fake.nova.power.courses[server.id] = Power(seconds=0.05)
        yield Site(fake, tmp_path)


def written(folder: Path, content: str | bytes, name: str = "rows.csv") -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def sheet_of(path: str) -> Sheet:
    return read(Places(["/"]), path)


# -- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        "server,reason\nweb-1,it is old\n",
        "server;reason\r\nweb-1;it is old\r\n",
        "server\treason\nweb-1\tit is old",
        "\ufeffserver,reason\nweb-1,it is old\n",
        'sep=;\r\n"server";"reason"\r\n"web-1";"it is old"\r\n',
        '"server","reason"\n"web-1","it is old"\n',
        "server,reason,\nweb-1,it is old,\n,,\n\n",
        "server;reason, in words\nweb-1;it is old\n",
        " server , reason \n web-1 , it is old \n",
    ],
)
def test_files_are_read_as_programs_write_them(tmp_path: Path, content: str) -> None:
    (row,) = sheet_of(written(tmp_path, content)).rows
    assert list(row.values.values()) == ["web-1", "it is old"]


def test_excels_quotes_and_lines_within_cells(tmp_path: Path) -> None:
    content = 'server,reason\nweb-1,"a ""big"" one, and\ntwo lines"\nweb-2,x\n'
    first, second = sheet_of(written(tmp_path, content)).rows
    assert first.values["reason"] == 'a "big" one, and\ntwo lines'
    assert (first.place, second.place) == ("line 2", "line 4")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"server\nweb-1\nweb-\xff\n", "line 3 is not UTF-8"),
        ("server\nweb-1\n".encode("utf-16"), "it is UTF-16"),
        (b"", "it has no columns"),
        (b"server,reason\n", "it has no rows"),
        (b"server,server\na,b\n", "appear twice"),
        (b"server,\na,b\n", "a column has no name"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(UserError, match=said):
        sheet_of(written(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{}", "not a list of objects"),
        ("[{]", "it is not JSON"),
        ('[{"a": NaN}]', "NaN is not a JSON number"),
        ('[{"a": 1, "a": 2}]', "a name twice"),
        ("[" * 100_000, "it is not JSON"),
    ],
)
def test_what_is_no_such_json_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        sheet_of(written(tmp_path, content, "rows.json"))


def test_only_what_is_a_file_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", "/proc/kmsg", str(tmp_path), str(tmp_path / "pipe"), "rows.csv"):
        with pytest.raises(UserError):
            read(Places(["/"]), path)


def test_only_what_lies_in_an_allowed_folder_is_read(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        written(folder, "server\nweb-1\n")
    os.symlink(outside / "rows.csv", inside / "link.csv")
    places = Places([str(inside)])
    assert read(places, str(inside / "rows.csv")).rows
    for path in (outside / "rows.csv", inside / "link.csv", inside / ".." / "out" / "rows.csv"):
        with pytest.raises(UserError, match="lies outside the folders that files are taken from"):
            read(places, str(path))


def test_a_file_of_somebody_elses_is_not_told(site: Site) -> None:
    secret = written(site.folder, "root:$6$salt$hash:19000:0:99999:7:::\nbin:*:19000\n", "shadow")
    kind, result = site.bulk(file=secret)
    assert kind == "refused"
    assert "$6$" not in json.dumps(result)
    assert "bin" not in json.dumps(result)


# -- rows that are wrong -----------------------------------------------------------------------

EVERY_KIND = (
    "flavor,server,how,hard_after\n"
    "x,web-1,soft,3m\n"
    "x,web-2\n"  # 3: too few cells
    "x,web-2,soft,3m,more\n"  # 4: too many
    "x,,soft,3m\n"  # 5: a required one is empty
    "x,web-2,gently,3m\n"  # 6: no such choice
    "x,web-2,soft,soon\n"  # 7: no duration
    "x,web-1,soft,3m\n"  # 8: the same call as line 2
    "x,web-\0,soft,3m\n"  # 9: a NUL
    "x,web-\x1b[31m,soft,3m\n"  # 10: a control character in a name
    f"x,{'w' * 300},soft,3m\n"  # 11: too long for a name
    'x,"web-2,soft,3m\n'  # 12: a quote that is not closed
)


def test_every_kind_of_bad_row_is_told_at_once_with_its_line(site: Site) -> None:
    kind, result = site.bulk("server.reboot", file=written(site.folder, EVERY_KIND))
    assert (kind, site.fake.changes) == ("refused", [])
    told = [entry["why"] for entry in result["failed"]]
    lines = sorted(int(why.removeprefix("line ").partition(":")[0]) for why in told)
    assert lines == list(range(3, 13))
    for said in (
        "line 3: it has only 2 cells of 4",
        "line 4: it has 5 cells of 4",
        "line 5: server is empty, and server.reboot needs it",
        "line 6: how is one of soft, hard",
        "line 8: it asks for the same as line 2",
        "line 9: it holds a NUL character",
        "line 12: its quotes are wrong",
    ):
        assert any(why.startswith(said) for why in told), (said, told)


def test_types_are_cast_and_wrong_ones_told(site: Site) -> None:
    content = "volume,size_gib\nvol-1,ten\nvol-2,10.5\n"
    kind, result = site.bulk("volume.extend", file=written(site.folder, content))
    assert kind == "refused"
    told = [entry["why"] for entry in result["failed"]]
    assert told == [
        "line 2: size_gib must be a whole number",
        "line 3: size_gib must be a whole number",
    ]


@pytest.mark.parametrize(
    ("content", "given", "said"),
    [
        ("server,reasn\nweb-1,x\n", {}, "the column 'reasn' is no parameter of server.lock"),
        ("name\nweb-1\n", {}, "server has no column"),
        ("name\nweb-1\n", {"set": "server=nmae"}, "set takes the column 'nmae'"),
        ("server\nweb-1\n", {"at_most_per": "host: 2"}, "set takes the column 'host'"),
    ],
)
def test_columns_that_do_not_fit_are_told(
    site: Site, content: str, given: dict[str, Any], said: str
) -> None:
    kind, result = site.bulk("server.lock", file=written(site.folder, content), **given)
    assert (kind, site.fake.changes) == ("refused", [])
    assert said in result["text"]


# -- rows that are carried out -----------------------------------------------------------------


def test_columns_become_parameters_and_others_are_named(site: Site) -> None:
    content = "Server;Reason;Owner\nweb-1;it is old;ann\nweb-2;;bob\n"
    kind, result = site.bulk("server.lock", file=written(site.folder, content), dry_run=True)
    assert kind == "done"
    assert "Columns that are not used: Owner." in result["text"]
    kind, result = site.bulk("server.lock", file=written(site.folder, content))
    assert kind == "done", result["text"]
    assert [(row["row"], row["state"], row["what"]) for row in result["rows"]] == [
        (2, "done", "Lock web-1"),
        (3, "done", "Lock web-2"),
    ]
    assert site.fake.server("web-1").locked_reason == "it is old"
    assert site.fake.server("web-2").locked


def test_json_rows_are_carried_out(site: Site) -> None:
    rows = [{"id": "web-1", "why": "old"}, {"id": "web-2", "why": None}]
    path = written(site.folder, json.dumps(rows), "rows.json")
    kind, result = site.bulk("server.lock", file=path, set="server=id; reason=why")
    assert kind == "done", result["text"]
    assert site.fake.server("web-1").locked_reason == "old"
    assert site.fake.server("web-2").locked


def test_names_that_are_not_there_are_left_and_the_others_done(site: Site) -> None:
    site.fake.servers.append(Server("web-3", id="11111111-2222-4333-8444-555555555555"))
    content = "server\nweb-1\nweb-9\nweb-3\n"
    kind, result = site.bulk("server.lock", file=written(site.folder, content))
    assert kind == "done"
    left = {entry["what"]: entry["why"] for entry in result["left"]}
    assert left["web-9"].startswith("There is no server 'web-9'")
    assert "2 servers are called 'web-3'" in left["web-3"]
    assert [row["state"] for row in result["rows"]] == ["done", "left", "left"]


def test_many_names_are_found_in_one_listing(site: Site) -> None:
    names = [f"db-{number}" for number in range(40)]
    site.fake.servers += [Server(name) for name in names]
    content = "server\n" + "\n".join([*names, "web-9"]) + "\n"
    kind, result = site.bulk("server.lock", file=written(site.folder, content), dry_run=True)
    assert kind == "done"
    assert len(result["rows"]) == 41
    assert len(result["left"]) == 1
    assert site.fake.count("GET /compute/v2.1/servers") <= 4


# -- the file of what became of each row -------------------------------------------------------


def test_what_became_of_each_row_is_written_beside(site: Site) -> None:
    site.fake.server("web-2").name = "=cmd()"
    content = "server,reason\nweb-1,old\n=cmd(),old\nweb-9,old\n"
    out = str(site.folder / "done.csv")
    kind, result = site.bulk("server.lock", file=written(site.folder, content), output_file=out)
    assert (kind, result["output_file"]) == ("done", out)
    with open(out, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["state"]) for row in rows] == [
        ("2", "done"),
        ("3", "done"),
        ("4", "left"),
    ]
    assert rows[0]["reason"] == "old"
    assert rows[0]["said"] == "web-1 is locked"
    assert rows[1]["server"].startswith("'="), "no spreadsheet takes it for a formula"
    assert "web-9" in rows[2]["why"]


def test_a_file_that_cannot_be_written_is_refused_before(site: Site) -> None:
    path = written(site.folder, "server\nweb-1\n")
    for out in ("/nowhere/x.csv", path):
        kind, _ = site.bulk("server.lock", file=path, output_file=out)
        assert (kind, site.fake.changes) == ("refused", [])


def test_a_run_that_is_gone_on_with_writes_its_file(site: Site) -> None:
    out = str(site.folder / "done.json")
    path = written(site.folder, "server\nweb-1\nweb-2\n")
    run = site.bulk("server.lock", file=path, output_file=out, dry_run=True)[1]["run"]
    os.unlink(out)
    kind, result = site.ask("run.apply", run=run)
    assert (kind, result["output_file"]) == ("done", out)
    assert [row["state"] for row in json.loads(Path(out).read_text())] == ["done", "done"]
