"""Finding and reading the pack's configuration where there is no StackStorm to hand it over."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Any

from common.errors import UserError
from common.files import at_home, read_regular
from common.redaction import secrets_in
from common.strict_yaml import LONGEST, Unreadable, load
from common.text import clean, listed

VARIABLE = "OPENSTACK_OPS_CONFIG"
PLACES = ("~/.config/openstack_ops/config.yaml", "/opt/stackstorm/configs/openstack_ops.yaml")
EXAMPLE = "openstack_ops.yaml.example"
STATE = "~/.local/state/openstack_ops"


@dataclass(frozen=True)
class Settings:
    """A configuration and where it is from; ``warnings`` are for the operator."""

    path: Path
    values: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


def state_folder() -> Path:
    """Return the folder of this user's state store and log; raises UserError without a home."""
    try:
        return Path(at_home(STATE))
    except OSError:
        raise UserError(
            f"This user (uid {os.geteuid()}) has no home folder, where the state store and the log "
            "would lie.",
            advice="Set HOME.",
        ) from None


def find(given: Path | None) -> Path:
    """Return the configuration file to use: the given one, the environment's, or a usual place.

    Raises UserError that names the places.
    """
    named = given or (Path(value) if (value := os.environ.get(VARIABLE)) else None)
    if named is not None:
        if why := _unfit(named):
            source = "--config" if given else f"${VARIABLE}"
            raise UserError(f"{source} names {clean(named)}, which cannot be used: {why}.")
        return Path(at_home(named))
    for place in PLACES:
        if not _unfit(place):
            return Path(at_home(place))
    raise UserError(
        f"No configuration was found: not in --config, not in ${VARIABLE}, not at "
        f"{' and not at '.join(PLACES)}.",
        advice=f"Copy {EXAMPLE} to {PLACES[0]}, make it readable by you only, and fill it in.",
    )


def _unfit(path: str | Path) -> str:
    """Return why there is no file to be read at a path, "" if there is one."""
    try:
        return "" if stat.S_ISREG(os.stat(at_home(path)).st_mode) else "it is not a regular file"
    except OSError as error:
        return clean(error.strerror)


def read(path: Path) -> Settings:
    """Read a configuration as StackStorm would hand it over, with a state store of this user.

    Raises UserError; never shows a value.
    """
    try:
        values = _mapping(path, read_regular(path, most=LONGEST).decode())
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"The configuration {clean(path)} cannot be read: {reason}.") from None
    if expressions := list(_expressions(values)):
        raise UserError(
            f"The configuration {clean(path)} leaves {listed(expressions)} to StackStorm's "
            "datastore, which is not there without StackStorm.",
            advice=f"Put the value itself into a file of your own and name it with --config or "
            f"${VARIABLE}.",
        )
    warnings = []
    if mode & stat.S_IROTH and any(secrets_in(values)):
        warnings.append(
            f"{path} holds secrets and everybody can read it: chmod 600 {quote(str(path))}"
        )
    if not values.get("state_url"):
        folder = state_folder()
        private(folder)
        values["state_url"] = f"sqlite:///{folder / 'state.db'}"
    values.setdefault("files", {"allowed": ["/"]})  # whatever this user may write
    return Settings(path, values, warnings)


def private(folder: Path) -> None:
    """Make a folder for this user only, if it is not there; what needs it says if it cannot."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return


def _mapping(path: Path, text: str) -> dict[str, Any]:
    try:
        values = load(text)
    except Unreadable as error:
        where = f", line {error.line}" if error.line else ""
        raise UserError(
            f"The configuration {clean(path)}{where} is not valid YAML: {error.why}."
        ) from None
    if not isinstance(values, dict):
        raise UserError(
            f"The configuration {clean(path)} is not a mapping of keys.",
            advice=f"Compare it with {EXAMPLE}.",
        )
    return values


def _expressions(value: Any, where: str = "") -> Iterator[str]:
    """Yield the paths of values that are StackStorm expressions."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _expressions(inner, f"{where}.{clean(key)}" if where else clean(key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _expressions(inner, f"{where}[{number}]")
    elif isinstance(value, str) and "{{" in value:
        yield where
