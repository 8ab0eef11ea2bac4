"""The list of deliberate faults fits the code: each can be put in, and has tests to notice it."""

from __future__ import annotations

from collections import Counter

import mutants

FAULTS = mutants.faults()


def test_no_fault_is_stale() -> None:
    unfit = {str(fault): why for fault in FAULTS if (why := mutants.stale(fault))}
    assert unfit == {}, "follow the code in tools/mutants.yaml"


def test_each_fault_is_said_once_and_is_to_be_noticed_or_says_why_not() -> None:
    twice = [fault for fault, times in Counter(map(str, FAULTS)).items() if times > 1]
    assert twice == []
    assert [str(one) for one in FAULTS if one.equivalent and one.elsewhere] == []
    assert sum(one.is_run for one in FAULTS) >= 200


def test_a_fault_that_makes_no_other_program_is_told() -> None:
    fault = mutants.Fault(
        file="lib/common/version.py", what="nothing", before="VERSION =", after="VERSION  ="
    )
    assert mutants.senseless(fault) == "it changes nothing"
