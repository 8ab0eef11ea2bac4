"""Every action's form as StackStorm's own web UI fills it in and its API judges it."""

from __future__ import annotations

from typing import Any

import pytest

from support.action_files import NAMES, action
from support.web_form import RUNNER, WebForm, unregistered


def needed(form: WebForm) -> dict[str, Any]:
    names = [name for name in form.fields() if form.merged[name].get("required")]
    return {name: form.typed(name) for name in names}


def untouched_it_is_accepted_if_nothing_is_required(form: WebForm) -> None:
    if not needed(form):
        assert form.refusal({}) == ""


def whatever_is_edited_is_accepted(form: WebForm) -> None:
    assert form.refusal(form.post(**needed(form))) == ""
    for name in form.fields():
        edited = {**needed(form), name: form.typed(name)}
        assert form.refusal(form.post(**edited)) == "", name
    everything = {name: form.typed(name) for name in form.fields()}
    assert form.refusal(form.post(**everything)) == ""


def what_is_hidden_stays_refused(form: WebForm) -> None:
    for name in ("workflow", "requested_by", "deadline", "env", "debug", "content_version"):
        assert name in form.refusal(form.post(**needed(form), **{name: "x"}))


def nothing_but_info_is_logged(form: WebForm) -> None:
    # Parameters may stand in what is logged at DEBUG.
    assert form.refusal({**form.post(**needed(form)), "log_level": "DEBUG"})


def it_registers(form: WebForm) -> None:
    assert unregistered(form.own) == []


def its_fields_stand_as_they_are_written_with_the_runners_own_below(form: WebForm) -> None:
    mine = [name for name in form.own if name not in RUNNER]
    shown = [name for name in mine if not form.merged[name].get("immutable")]
    assert form.fields() == [*shown, "log_level", "timeout"]


# One test an action: thousands of tests, each of which takes no time, take seconds together.
CHECKS = (
    untouched_it_is_accepted_if_nothing_is_required,
    whatever_is_edited_is_accepted,
    what_is_hidden_stays_refused,
    nothing_but_info_is_logged,
    it_registers,
    its_fields_stand_as_they_are_written_with_the_runners_own_below,
)


@pytest.mark.parametrize("name", NAMES)
def test_the_form_of_an_action(name: str) -> None:
    form = WebForm(action(name)["parameters"])
    for check in CHECKS:
        check(form)


def test_an_immutable_parameter_with_an_enum_is_what_breaks_a_form() -> None:
    own = {"x": {"type": "string"}, "log_level": {"immutable": True, "default": "INFO"}}
    form = WebForm(own)
    assert form.fields() == ["content_version", "debug", "env", "timeout", "x"]
    refusal = form.refusal(form.post(x="1"))
    assert refusal == "Override of immutable parameter(s) ['log_level'] is unsupported."
