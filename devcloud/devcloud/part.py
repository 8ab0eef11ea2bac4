"""What one system beside the cloud consists of, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devcloud.service import Service
from devcloud.settings import Settings


def nothing(settings: Settings) -> None:
    """Make no files."""


@dataclass(frozen=True)
class Part:
    """One system that stands beside the cloud.

    `programs` are those it needs, each with the Debian package that has it: a package is unpacked
    where the system has no such program (`Settings.program` finds it, `Settings.libraries` are
    what it needs in its environment). `files` are templates in `devcloud/etc`, `folders` lie in
    `var`, `prepare` makes whatever else it needs before its services start (they name the step
    `<name> files` in `after`), `pack` is a template that goes into the pack's configuration,
    `values` what templates need beside what all have.
    """

    name: str
    services: Callable[[Settings], list[Service]]
    programs: tuple[tuple[str, str], ...] = ()
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    prepare: Callable[[Settings], None] = nothing
    pack: str | None = None
    values: Callable[[Settings], Mapping[str, object]] = lambda settings: {}
