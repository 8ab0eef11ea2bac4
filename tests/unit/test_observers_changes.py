"""From how things are to what of it is news."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as some

from accounts.sensor_config import SensorSettings
from common.duration import Duration
from observers.changes import Memory, News, changes
from observers.events import Payload
from observers.observer import Condition, Sight, Surroundings
from support.watching import CLOUD, NAME, ToyFacts, Toys

DAY = 86400.0


def settings(**given: Any) -> SensorSettings:
    return SensorSettings(**{"steady_looks": 1, **given})


def sight(states: Mapping[str, str], *unread: str) -> Sight:
    toys = Toys(states, unread)
    return toys.look(None, None, Surroundings(0.0))


class Life:
    """One observer's looks, a minute apart."""

    def __init__(self, normal: Collection[str] = ("fine",), **given: Any) -> None:
        self.observer, self.settings = Toys().observer(normal), settings(**given)
        self.memory, self.now, self.runs = Memory(), 1_000_000.0, dict[str, str]()

    def look(
        self, *unread: str, after: float = 60.0, quiet: Collection[str] = (), **states: str
    ) -> list[tuple[str, ...]]:
        """Return what is news of what is seen then: the change, the id, the state."""
        return [
            (e["change"], e["subject_id"], e["state"])
            for e in self.payloads(*unread, after=after, quiet=quiet, **states)
        ]

    def payloads(
        self, *unread: str, after: float = 60.0, quiet: Collection[str] = (), **states: str
    ) -> list[dict[str, Any]]:
        self.now += after
        news = self.news(sight(states, *unread), quiet)
        self.memory = news.memory
        return [event.payload for event in news.events]

    def news(self, seen: Sight, quiet: Collection[str] = ()) -> News:
        around = Surroundings(
            self.now, lambda asked: {one: self.runs[one] for one in asked if one in self.runs}
        )
        return changes(self.observer, CLOUD, self.settings, self.memory, seen, around, quiet)


def test_what_is_wrong_at_first_is_new_and_what_is_normal_is_not() -> None:
    life = Life()
    assert life.look(a="fine", b="broken") == [("new", "b", "broken")]
    assert life.look(a="fine", b="broken") == []


def test_a_change_is_told_once_with_what_was_before() -> None:
    life = Life()
    life.look(a="fine")
    (told,) = life.payloads(a="broken")
    assert (told["change"], told["before"], told["state"]) == ("changed", "fine", "broken")
    assert life.look(a="broken") == []
    assert life.look(a="fine") == [("changed", "a", "fine")]


def test_what_is_no_longer_there_is_gone() -> None:
    life = Life(normal=())
    life.look(a="broken")
    (told,) = life.payloads()
    assert (told["change"], told["state"], told["facts"]) == ("gone", "broken", None)
    assert life.memory.known == {}
    assert life.look() == []


def test_nothing_is_gone_that_was_not_read() -> None:
    life = Life()
    life.look(a="broken", b="fine")
    assert life.look("a cell is down") == []
    assert life.look("a cell is down", b="broken") == [("changed", "b", "broken")]
    assert life.look(a="broken", b="broken") == []


def test_what_comes_and_goes_is_not_told() -> None:
    life = Life(steady_looks=3)
    for _ in range(3):
        life.look(a="fine")
    for state in ("broken", "broken", "fine", "broken", "lost", "broken", "broken"):
        assert life.look(a=state) == []
    assert life.look(a="broken") == [("changed", "a", "broken")]


def test_since_is_when_it_was_seen_first() -> None:
    life = Life(steady_looks=3)
    life.look(a="fine")
    assert life.look(a="broken") == life.look(a="broken") == []
    (told,) = life.payloads(a="broken")
    assert (told["since"], told["at"]) == ("1970-01-12T13:48:40Z", "1970-01-12T13:50:40Z")


def test_a_state_may_have_to_last_for_a_time_too() -> None:
    life = Life(steady_for=Duration.parse("5m"))
    life.look(a="fine")
    assert [life.look(a="broken") for _ in range(5)] == [[]] * 5
    assert life.look(a="broken") == [("changed", "a", "broken")]


def test_a_gap_does_not_count_as_gone_for_ever() -> None:
    life = Life(steady_looks=2)
    life.look(a="broken")
    life.look(a="broken")
    assert life.look() == []
    assert life.look(a="broken") == []
    assert life.look() == []
    assert life.look() == [("gone", "a", "broken")]


def test_what_lasts_is_told_again_after_a_time_with_another_id() -> None:
    life = Life(again=Duration.parse("1d"))
    (first,) = life.payloads(a="broken", b="fine")
    assert life.look(a="broken", b="fine", after=DAY - 1) == []
    (second,) = life.payloads(a="broken", b="fine", after=1)
    assert (second["change"], second["since"]) == ("still", first["since"])
    (third,) = life.payloads(a="broken", b="fine", after=DAY)
    assert len({first["id"], second["id"], third["id"]}) == 3


def test_what_a_run_works_on_is_not_told_again_until_it_has_ended() -> None:
    life = Life()
    life.look(a="broken")
    life.runs = {"toy:a": "run-1"}
    assert life.look(a="broken", after=2 * DAY) == []
    life.runs = {}
    assert life.look(a="broken") == [("still", "a", "broken")]


def test_a_change_says_which_run_holds_the_thing() -> None:
    life = Life()
    life.look(a="broken")
    life.runs = {"toy:a": "run-1"}
    (told,) = life.payloads(a="dirty")
    assert told["run"] == "run-1"


def test_what_is_still_to_be_told_is_not_told_again() -> None:
    life = Life()
    life.look(a="broken")
    assert life.look(a="broken", after=2 * DAY, quiet={"toy:a"}) == []
    assert life.look(a="broken") == [("still", "a", "broken")]


def test_the_same_look_on_the_same_memory_is_the_same_event() -> None:
    life = Life()
    life.look(a="fine")
    seen = sight({"a": "broken"})
    assert life.news(seen).events == life.news(seen).events
    (one,), (other,) = life.payloads(a="broken"), life.payloads(a="fine")
    assert one["id"] != other["id"]
    assert len(one["id"]) == 32


def test_a_payload_is_what_its_struct_says() -> None:
    (told,) = Life().payloads(a="broken")
    payload = msgspec.convert(told, Payload)
    assert (payload.cloud, payload.kind, payload.name) == (CLOUD, "toy", "toy a")
    assert payload.facts == {"colour": "red"}


def test_ids_of_two_observers_clouds_and_things_differ() -> None:
    life = Life()
    first, second = life.payloads(a="broken", b="broken")
    around, seen = Surroundings(life.now), sight({"a": "broken"})
    other = changes(life.observer, "other", life.settings, Memory(), seen, around).events[0]
    renamed = msgspec.structs.replace(life.observer, name="another")
    third = changes(renamed, CLOUD, life.settings, Memory(), seen, around).events[0]
    assert len({first["id"], second["id"], other.id, third.id}) == 4
    assert (third.trigger, other.trigger) == ("another", NAME)


STATES = some.dictionaries(
    some.sampled_from("abc"), some.sampled_from(["fine", "broken", "lost"]), max_size=3
)
LOOKS = some.lists(some.tuples(STATES, some.booleans()), max_size=25)


@given(looks=LOOKS, steady=some.integers(1, 3), normal=some.sampled_from([(), ("fine",)]))
def test_any_life_is_told_as_one_who_looks_back_on_it_would(
    looks: list[tuple[dict[str, str], bool]], steady: int, normal: tuple[str, ...]
) -> None:
    life = Life(normal, steady_looks=steady, again=Duration.parse("5000d"))
    told: dict[str, list[tuple[str, str | None]]] = {id: [] for id in "abc"}
    for states, whole in looks:
        for change, id, state in life.look(*([] if whole else ["some"]), **states):
            told[id].append((change, None if change == "gone" else state))
    for id in "abc":
        seen = [states.get(id) for states, whole in looks if whole or id in states]
        assert told[id] == looked_back(seen, steady, normal)


def looked_back(
    seen: list[str | None], steady: int, normal: Collection[str]
) -> list[tuple[str, str | None]]:
    """Return the changes of one thing, from all that was seen of it; None is that it was not."""
    told: list[tuple[str, str | None]] = []
    at: str | None = None
    for place, state in enumerate(seen):
        if at is None and state in normal:
            at = state
        elif state != at and seen[max(0, place + 1 - steady) : place + 1] == [state] * steady:
            change = "gone" if state is None else "new" if at is None else "changed"
            told.append((change, state))
            at = state
    return told


def test_facts_are_the_observers_own() -> None:
    one = Condition("toy", "a", "toy a", "broken", ToyFacts("blue"))
    (event,) = Life().news(Sight([one])).events
    assert event.payload["facts"] == {"colour": "blue"}


def test_nothing_is_decided_of_what_a_look_does_not_cover() -> None:
    life = Life(steady_looks=2)
    life.look(a="broken", b="broken")
    assert life.look(a="broken", b="broken") == [("new", "a", "broken"), ("new", "b", "broken")]
    for _ in range(3):
        life.now += 60.0
        part = Sight(sight({}).conditions, covers=lambda subject: subject == "toy:a")
        news = life.news(part)
        life.memory = news.memory
        told = [(e.payload["change"], e.payload["subject_id"]) for e in news.events]
        assert told in ([], [("gone", "a")])
    assert set(life.memory.known) == {"toy:b"}
    assert life.look(b="broken") == [], "it has been there all the time"
