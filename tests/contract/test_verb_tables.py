"""What changes servers, volumes, images, flavors and groups stands in a table of verbs.

Tests go through the tables: each row is tried with a lost answer, refused by the cloud, and killed
and resumed, without a line of test code of its own.
"""

from __future__ import annotations

from action_files import all_workflows
from support.verb_stands import CREATIONS, SUBJECT, VERBS

# Plans with a story of their own, which have tests of their own.
FUNCTIONS = {
    "flavor.copy",
    "flavor.create",
    "flavor.retire",
    "image.create",
    "image.rotate",
    "server.migrate",
    "server.snapshot",
    "server_group.repair",
    "volume.detach_stuck",
    "volume.snapshot",
    "volume.transfer",
}
_BUILDERS = ("verbs.runbooks",)


def test_every_row_that_is_registered_is_tried() -> None:
    registered = {
        name for name, known in all_workflows().items() if known.function.__module__ in _BUILDERS
    }
    tried = {verb.name for verb in VERBS} | {row.name for row in CREATIONS}
    assert registered == tried


def test_what_is_no_row_is_known_to_be_none() -> None:
    subjects = {subject.name for subject in SUBJECT.values()}
    functions = {
        name
        for name, known in all_workflows().items()
        if known.changes
        and name.partition(".")[0] in subjects
        and known.function.__module__ not in _BUILDERS
    }
    assert functions == FUNCTIONS
