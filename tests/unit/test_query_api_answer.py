"""What is said of an answer, and to who asks rows for their cloud."""

from __future__ import annotations

import pytest

from common.errors import UserError
from query_api.execution.answer import Answer, Column
from query_api.execution.query import query
from query_api.resources import resource

ID, COUNT = Column("id", "text"), Column("count", "integer")


@pytest.mark.parametrize(
    ("of", "rows", "said"),
    [
        ("server", 1, "1 server"),
        ("floating_ip", 1, "1 floating IP"),
        ("floating_ip", 3, "3 floating IPs"),
        ("rbac_policy", 0, "0 RBAC policies"),
        ("security_group_rule", 2, "2 security group rules"),
    ],
)
def test_rows_are_counted_in_words(of: str, rows: int, said: str) -> None:
    answer = Answer(resource(of).nouns(), [ID], [("x",)] * rows)
    assert answer.summary == said
    assert answer.table().summary == said


def test_groups_are_no_rows() -> None:
    columns, rows = [Column("status", "text"), COUNT], [("ACTIVE", 3), ("DOWN", 1)]
    answer = Answer(resource("floating_ip").nouns(), columns, rows, ["status"], aggregated=True)
    assert answer.summary == "2 groups of floating IPs"
    assert not answer.table().group_by


def test_figures_of_all_rows_are_told_themselves() -> None:
    columns = [COUNT, Column("avg size", "number"), Column("max size", "integer")]
    nouns = resource("volume_snapshot").nouns()
    answer = Answer(nouns, columns, [(3, 1.2345, None)], aggregated=True)
    assert answer.summary == "volume snapshots: count 3, avg size 1.23"
    assert Answer(nouns, columns, [], aggregated=True).summary == "volume snapshots: nothing"


@pytest.mark.parametrize("path", ["cloud", "project.cloud"])
def test_a_cloud_is_no_condition(path: str) -> None:
    with pytest.raises(UserError, match="have no property 'cloud'") as refused:
        query("server").where(path, "equal_to", "prod").explain()
    assert "which clouds to ask with clouds" in refused.value.advice
