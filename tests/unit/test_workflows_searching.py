"""Questions as actions ask them: their words become a query, and what is wrong is pointed at."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from common.errors import NotFound, UserError
from engine.dispatch import dispatch
from query_api.execution import paths, predicates
from query_api.language.schema import Property, Resource
from searches.searching import Selection, question
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import OWNER, Flavor, Hypervisor, Project, Server
from support.fake_cloud_tables import Tables


@pytest.fixture
def fake() -> Iterator[FakeCloud]:
    servers = [
        Server("web-1", "cmp-1"),
        Server("web-2", "cmp-2", status="SHUTOFF", flavor=Flavor("big", vcpus=4, ram=4096)),
        Server("db", "cmp-1", status="ERROR", metadata={"owner": "ann"}),
        Server("\x1b[2Jlost", None, status="ERROR"),
    ]
    with FakeCloud([Hypervisor("cmp-1"), Hypervisor("cmp-2")], servers) as fake:
        yield fake


def ask(fake: FakeCloud, name: str = "server.search", **parameters: Any) -> dict[str, Any]:
    """Return the result of an action that succeeds."""
    kind, result = dispatch(name, parameters, fake.config())
    assert kind == "done", result["summary"]
    return result


def refused(fake: FakeCloud, name: str = "server.search", **parameters: Any) -> str:
    """Return what is said of an action that is refused before anything is asked."""
    kind, result = dispatch(name, parameters, fake.config())
    assert kind == "refused", result["summary"]
    assert fake.requests == []
    return result["summary"]


# -- words to a query --------------------------------------------------------------------------


def test_every_word_has_its_place_in_the_query() -> None:
    asked = question(
        "servers",
        where="status = ERROR or host is null",
        selection=Selection(
            select=["name", "metadata.owner"],
            sort_by=["-created_at", "name"],
            group_by="host; flavor.ram: small ..2047, large 2048..",
        ),
        limit=7,
    )
    (stage,) = asked.stages
    assert (stage.resource.name, len(stage.condition.parts)) == ("server", 2)
    assert asked.selected == ("name", "metadata.owner")
    assert asked.sorting == ("-created_at", "name")
    assert [(g.path, [r.name for r in g.ranges]) for g in asked.groups] == [
        ("host", []),
        ("flavor.ram", ["small", "large"]),
    ]
    assert asked.at_most == 7


def test_empty_words_say_nothing() -> None:
    empty: Any = dict.fromkeys(("group_by", "aggregate", "follow", "join"), "")
    assert question("server", where=" ", selection=Selection(**empty)) == question("server")
    nothing: Any = dict.fromkeys(empty)
    asked = question("server", where=None, selection=Selection(**nothing), limit=None)
    assert asked == question("server")


def test_a_star_selects_what_the_listing_has_and_more_can_stand_beside_it() -> None:
    asked = question("server", selection=Selection(select=["cloud", "*"]))
    assert {"id", "name", "flavor.vcpus", "metadata"} < set(asked.selected)
    assert asked.selected[-1] == "cloud"


def test_an_unknown_resource_is_told_with_near_names() -> None:
    with pytest.raises(NotFound, match=r"no resource 'servr'.*server"):
        question("servr")


# -- answers -----------------------------------------------------------------------------------


def test_rows_are_kept_sorted_and_cut_to_columns(fake: FakeCloud) -> None:
    result = ask(
        fake,
        where="(status = error or status = SHUTOFF) and not (host is null)",
        select=["name", "metadata.owner", "flavor.vcpus"],
        sort_by=["-flavor.vcpus"],
    )
    assert result["summary"] == "2 servers"
    assert result["rows"] == [
        {"name": "web-2", "metadata.owner": None, "flavor.vcpus": 4},
        {"name": "db", "metadata.owner": "ann", "flavor.vcpus": 1},
    ]


def test_what_a_service_ignores_is_checked_here(fake: FakeCloud) -> None:
    fake.ignores = {"host", "name", "status", "uuid"}
    result = ask(fake, where="host = cmp-1 and name starts_with w", select=["name"])
    assert result["rows"] == [{"name": "web-1"}]


def test_a_list_is_a_search_without_conditions(fake: FakeCloud) -> None:
    names = [row["name"] for row in ask(fake, "server.list", sort_by=["name"])["rows"]]
    assert names == [row["name"] for row in ask(fake, sort_by=["name"])["rows"]]
    assert len(names) == 4
    assert ask(fake, "query.run", resource="server", limit=9)["summary"] == "4 servers"
    assert "\x1b" not in ask(fake, "server.list")["text"]
    said = refused_after(fake, "server.list", where="status = ERROR")
    assert "server.list has no parameter 'where'" in said


def refused_after(fake: FakeCloud, name: str, **parameters: Any) -> str:
    fake.requests.clear()
    return refused(fake, name, **parameters)


def test_groups_and_their_figures(fake: FakeCloud) -> None:
    grouped = ask(fake, group_by="status", aggregate="count, sum flavor.vcpus", sort_by=["-count"])
    assert grouped["summary"] == "3 groups of servers"
    assert grouped["rows"][0] == {"status": "ERROR", "count": 2, "sum flavor.vcpus": 2}
    shown = ask(fake, group_by="status", select=["name"])
    assert "status: ERROR (2)" in shown["text"]
    whole = ask(fake, aggregate="count, max flavor.ram")
    assert whole["summary"] == "servers: count 4, max flavor.ram 4096"


def test_explain_runs_it_and_shows_the_parts(fake: FakeCloud) -> None:
    result = ask(fake, where="host = cmp-1", select=["name"], explain=True)
    sent = fake.count("GET /compute/v2.1/.")
    assert result["summary"].startswith(f"2 servers with {sent} request")
    done = {row["done"]: row for row in result["rows"]}
    assert "host=cmp-1" in done["by compute"]["what"]
    assert done["made"]["resource"] == "fake"
    assert (done["made"]["what"], done["made"]["made"]) == ("requests to compute", sent)
    assert done["made"]["expected"] is None
    assert "MADE" in result["text"]


def test_spaces_around_the_words_of_an_array_are_nothing(fake: FakeCloud) -> None:
    result = ask(fake, select=["name", " status "], sort_by=[" -flavor.vcpus", "name\t"])
    assert [list(row) for row in result["rows"]] == [["name", "status"]] * 4
    assert result["rows"][0]["name"] == "web-2"
    assert "metadata" in ask(fake, select=[" *"])["rows"][0]


def test_groups_are_sorted_by_an_aggregate_as_it_was_asked_for(fake: FakeCloud) -> None:
    asked = {"group_by": "status", "aggregate": "sum(flavor.ram)", "sort_by": ["-sum(flavor.ram)"]}
    assert ask(fake, **asked)["rows"][0] == {"status": "SHUTOFF", "sum flavor.ram": 4096}


def test_a_quoted_star_is_a_key(fake: FakeCloud) -> None:
    fake.server("db").metadata["*"] = "all"
    star = 'metadata."*"'
    asked = {"where": f"{star} = all", "select": ["name", star], "group_by": star}
    assert ask(fake, **asked)["rows"] == [{star: "all", "name": "db"}]
    counted = ask(fake, aggregate=f"count, count {star}")
    assert list(counted["rows"][0].values()) == [4, 1]


def test_a_condition_is_resolved_and_compiled_once(
    fake: FakeCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved, compiled = Counter[str](), Counter[str]()
    resolve, predicate = paths._walk, predicates.predicate

    def count_resolved(start: Resource, text: str) -> Any:
        resolved[text] += 1
        return resolve(start, text)

    def count_compiled(prop: Property, *how: Any) -> Any:
        compiled[prop.name] += 1
        return predicate(prop, *how)

    monkeypatch.setattr(paths, "_walk", count_resolved)
    monkeypatch.setattr(predicates, "predicate", count_compiled)
    where = "metadata.owner = ann and (status = error or project.name is null)"
    asked = {"clouds": ["*"], "where": where, "select": ["name"], "explain": True}
    with FakeCloud([], [Server("b")]) as other:
        kind, _ = dispatch("server.search", asked, several(fake, other))
    assert kind == "done"
    tested = ("metadata.owner", "status", "project.name")
    assert {path: resolved[path] for path in tested} == dict.fromkeys(tested, 1)
    assert {path: compiled[path] for path in tested} == dict.fromkeys(tested, 1)


# -- several clouds, and answers that are not whole --------------------------------------------


@pytest.fixture
def sore() -> Iterator[FakeCloud]:
    """A cloud that shows nobody its servers."""
    with FakeCloud([], [Server("b")]) as sore:
        sore.fail("GET /compute/v2.1/servers", 403, times=100)
        yield sore


def several(*clouds: FakeCloud) -> dict[str, Any]:
    """Return a configuration with these clouds: fake, other."""
    names = ("fake", "other")
    entries = [cloud.entry(name=name) for cloud, name in zip(clouds, names, strict=False)]
    return {"clouds": entries, "default_cloud": "fake"}


def test_rows_say_which_cloud_they_are_from(fake: FakeCloud) -> None:
    with FakeCloud([], [Server("b")]) as other:
        asked = {"clouds": ["*"], "where": "name any_in (b, db)", "select": ["name"]}
        kind, result = dispatch("server.search", asked, several(fake, other))
        assert kind == "done"
        assert result["rows"] == [{"cloud": "fake", "name": "db"}, {"cloud": "other", "name": "b"}]
        asked |= {"clouds": ["other"], "select": ["name", "cloud"]}
        kind, result = dispatch("server.search", asked, several(fake, other))
        assert result["rows"] == [{"name": "b", "cloud": "other"}]
        asked |= {"clouds": ["*"], "select": [], "group_by": "cloud", "aggregate": "count"}
        kind, result = dispatch("server.search", asked, several(fake, other))
        assert result["rows"] == [{"cloud": "fake", "count": 1}, {"cloud": "other", "count": 1}]


@pytest.mark.parametrize("more", [{}, {"explain": True}])
def test_an_answer_that_is_not_whole_fails(
    fake: FakeCloud, sore: FakeCloud, more: dict[str, Any]
) -> None:
    asked = {"clouds": ["*"], "select": ["name"], **more}
    kind, result = dispatch("server.search", asked, several(fake, sore))
    assert (kind, result["complete"]) == ("failed", False)
    assert result["left"][0]["what"] == "cloud other"
    assert "403" in result["left"][0]["why"]
    assert "This answer is not whole" in result["text"]
    assert "4 servers" in result["summary"]


def test_unless_a_part_of_it_is_allowed(fake: FakeCloud, sore: FakeCloud) -> None:
    asked = {"clouds": ["*"], "select": ["name"], "allow_partial": True}
    kind, result = dispatch("server.list", asked, several(fake, sore))
    assert (kind, result["complete"], len(result["rows"])) == ("done", False, 4)
    assert "not whole: cloud other: " in result["summary"]


def test_no_cloud_that_answers_is_no_answer(sore: FakeCloud) -> None:
    asked = {"allow_partial": True}
    kind, result = dispatch("server.list", asked, several(sore))
    assert kind == "failed"
    assert "403" in result["summary"]
    assert result["rows"] == []


# -- what is wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("where", "status == ERROR and ¶statu = x", "have no property 'statu'. Did you mean"),
        ("where", "¶metadta.owner = x", "have no property 'metadta.owner'"),
        ("where", "name = x or status ¶older_than 30d", "status is a text: older_than does not"),
        ("where", "name = x or status ¶>= 3", "status is a text: >= does not fit. These do: "),
        (
            "where",
            "name = x and not (flavor.ram > ¶lots)",
            "flavor.ram >: 'lots' is not a number of MiB",
        ),
        ("where", "flavor.ram not in (1, ¶'some', few)", "flavor.ram not in: 'some' is not a"),
        ("where", "name = x and name ~ ¶'a('", "name ~: 'a(' is not a regular expression"),
        ("where", "created_at older_than ¶soon", "created_at older_than"),
        ("where", "created_at = ¶yesterday", "created_at ="),
        ("where", "name ¶resembles x", "'resembles' is not an operator"),
        ("where", "name = x or ¶flavor.extra_specs.* = x", "a star does not stand for all keys"),
        ("where", "¶'metadata.*' = x", "a star does not stand for all keys"),
        ("group_by", "host, ¶metadata.*", "Select metadata for the whole map; metadata has_key"),
        ("aggregate", "¶count metadata.*", "a star does not stand for all keys"),
        ("aggregate", "count, ¶sum metadata.owner", "is a text: it has no sum"),
        ("join", "image: ¶properties.*", "a star does not stand for all keys"),
        ("group_by", "host, ¶hots", "have no property 'hots'. Did you mean host"),
        ("group_by", "host, ¶addresses", "rows cannot be sorted or grouped by it"),
        ("group_by", "host; status: ¶a ..3", "status is a text: only numbers and times"),
        ("group_by", "flavor.ram: a ..2047, ¶b 2047..", "ranges 'a' (..2047) and 'b' (2047..)"),
        ("group_by", "flavor.ram: a ..1, ¶b 2..many", "(2..many): 'many' is not a number"),
        ("group_by", "created_at: ¶a 2020-01-01..", "'2020-01-01' is not a duration"),
        ("group_by", "flavor.ram: ¶other 2048..", "other is what values in no range are called"),
        ("aggregate", "count, ¶sum flavor.cpus", "flavors have no property 'cpus'"),
        ("follow", "¶projct", "do not lead to 'projct'. Did you mean project?"),
        ("join", "user: ¶", "a property to join over 'user' is missing"),
        ("join", "usr: ¶name", "have no property 'usr.name'. Did you mean user.name?"),
        ("where", "¶usr.name = x", "have no property 'usr.name'. Did you mean user.name?"),
    ],
)
def test_errors_point_at_the_word(fake: FakeCloud, name: str, text: str, message: str) -> None:
    at = text.index("¶")
    said = refused(fake, **{name: text.replace("¶", "")})
    assert said.startswith(f"At character {at + 1}: ")
    assert message in said
    assert said.splitlines()[-1] == "  " + " " * at + "^"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"select": ["nam"]}, "servers have no property 'nam'. Did you mean name"),
        ({"select": ["name", "metadata.*"]}, "Select metadata for the whole map"),
        ({"sort_by": ["-metadata.*"]}, "a star does not stand for all keys"),
        ({"sort_by": ["-creatd_at"]}, "servers have no property 'creatd_at'"),
        ({"sort_by": ["addresses"]}, "rows cannot be sorted or grouped by it"),
        ({"aggregate": "sum name"}, "name is a text: it has no sum"),
        ({"aggregate": "count", "select": ["name"]}, "Leave select and join out"),
        ({"aggregate": "count", "sort_by": ["name"]}, "Groups cannot be sorted by 'name'"),
        ({"limit": -1}, "limit is a whole number"),
        ({"clouds": ["fak"]}, "no cloud 'fak' in the configuration. Did you mean fake?"),
        ({"where": ["name = x"]}, "where"),
        ({"wher": "name = x"}, "no parameter 'wher'. Did you mean where?"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_asked(
    fake: FakeCloud, asked: dict[str, Any], message: str
) -> None:
    assert message in refused(fake, **asked)


def test_a_follow_is_of_the_resource_and_the_rest_of_what_it_leads_to() -> None:
    ids = Selection(follow="flavor", select=["id"])
    asked = question("server", where="host = cmp-1", selection=ids)
    assert [stage.resource.name for stage in asked.stages] == ["server", "flavor"]
    with pytest.raises(UserError, match="flavors have no property 'hots'"):
        question("server", selection=Selection(follow="flavor", group_by="hots"))


# -- names and numbers that people are told -------------------------------------------------------


def people(fake: FakeCloud) -> None:
    """Have a project and a user of the servers' ids, and names."""
    fake.projects[:] = [Project("shop", id=OWNER)]
    tables = Tables(fake)
    tables.users.append({"id": "user-1", "name": "ann", "domain_id": "default", "enabled": True})


def test_servers_are_shown_with_names_and_keep_their_ids(fake: FakeCloud) -> None:
    people(fake)
    fake.requests.clear()
    result = ask(fake, "server.list")
    listings = [r.line for r in fake.requests if r.path.startswith("/identity/v3/")]
    assert listings.count("GET /identity/v3/projects") == 1
    assert listings.count("GET /identity/v3/users") == 1
    assert {row["project_id"] for row in result["rows"]} == {OWNER}
    assert {row["project.name"] for row in result["rows"]} == {"shop"}
    assert "PROJECT.NAME" in result["text"]
    assert "PROJECT ID" not in result["text"]
    assert OWNER not in result["text"]
    assert OWNER in ask(fake, "server.list", output="csv")["text"]


@pytest.mark.parametrize("what", ["projects", "users", "domains"])
def test_names_that_cannot_be_read_are_ids_and_nothing_is_missing(
    fake: FakeCloud, what: str
) -> None:
    people(fake)
    fake.fail(f"GET /identity/v3/{what}", 403, times=math.inf)
    result = ask(fake, "server.list")
    assert (result["complete"], result["left"]) == (True, [])
    assert (OWNER in result["text"]) is (what == "projects")
    kind, result = dispatch("server.list", {"select": ["name", "project.name"]}, fake.config())
    assert (kind, result["complete"]) == (
        ("failed", False) if what == "projects" else ("done", True)
    )


@pytest.mark.parametrize(
    ("more", "summary"),
    [
        ({"limit": 9}, "4 servers"),
        ({"limit": 4}, "4 servers"),
        ({"limit": 2}, "2 servers; there may be more"),
        ({"limit": 2, "sort_by": ["name"]}, "2 of 4 servers"),
        ({"limit": 1, "group_by": "name", "aggregate": "count"}, "1 of 4 groups of servers"),
    ],
    ids=str,
)
def test_a_limit_says_of_how_many(fake: FakeCloud, more: dict[str, Any], summary: str) -> None:
    assert ask(fake, **more)["summary"] == summary
