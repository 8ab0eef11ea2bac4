"""The things that options name: one by its name or id, or a list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from accounts.cloud import Cloud
from query_api.lookups import things
from query_api.lookups.things import Thing
from query_api.resources import resource
from verbs.verb import Options
from workflow_api import clean

# By option: a thing, or a list of things and of words that stand for none.
Named = Mapping[str, Any]


def found(
    cloud: Cloud, others: Mapping[str, str], options: Options, plain: frozenset[str]
) -> tuple[Named, str]:
    """Return the things that options name, by option, and the id of the project among them.

    ``others`` are the options, by the resource of each; ``plain`` are words in lists that name
    nothing. The project is "" if none is named. Raises NotFound and Ambiguous.
    """
    named: dict[str, Any] = {}
    project = ""
    # The project comes first: it says which of several things of one name is meant.
    for word in sorted(others, key=lambda word: word != "project"):
        given, kind = getattr(options, word), others[word]
        if not given:
            continue
        is_owned = resource(kind).property("project_id") is not None
        whose = (project or cloud.own_project()) if is_owned else None
        find = partial(things.find, cloud, kind, project=whose)
        named[word] = _each(given, partial(_found, find, plain))
        if word == "project":
            project = named[word].id
    return named, project


def ids(named: Named) -> dict[str, Any]:
    """Return the ids of named things, by option."""
    return {word: _each(it, lambda one: getattr(one, "id", one)) for word, it in named.items()}


def names(named: Named) -> dict[str, Any]:
    """Return the names of named things, by option, safe to print."""
    return {word: _each(it, _name) for word, it in named.items()}


def _found(find: Callable[[str], Thing], plain: frozenset[str], wanted: str) -> Thing | str:
    return wanted if wanted in plain else find(wanted)


def _name(one: Thing | str) -> str:
    return clean(one if isinstance(one, str) else one.name)


def _each(given: Any, what: Callable[[Any], Any]) -> Any:
    """Return what is of one, or of each of a list."""
    return [what(one) for one in given] if isinstance(given, list) else what(given)
