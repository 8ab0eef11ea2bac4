"""What is run on a host: arguments, filled in from parameters, as the one text that SSH carries.

SSH hands a command over as a text, which the login shell of the user reads. So every argument is
quoted for a POSIX shell, and arrives there as one argument, whatever stands in it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from common.errors import UserError
from common.text import clean, listed, near

_PARAMETER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_END_OF_OPTIONS = "--"
# Linux takes 128 KiB in one argument, and servers take some 32 KiB in a whole command.
_LONGEST = 30_000


def parameters_of(command: Iterable[str]) -> list[str]:
    """Return the parameters that a configured command has, in order.

    >>> parameters_of(["patch-host", "--level={level}", "{level}", "{reason}"])
    ['level', 'reason']
    """
    found = (name for word in command for name in _PARAMETER.findall(word))
    return list(dict.fromkeys(found))


def filled(what: str, command: Sequence[str], parameters: Mapping[str, str]) -> list[str]:
    """Return the arguments of a configured command with its parameters filled in.

    A value is part of the argument in which its parameter stands, and never more than that one.
    ``what`` is what people call the command. Raises UserError for a parameter that is missing or
    unknown, for a value that no argument can hold, and for one that would be read as an option.

    >>> filled("patch", ["patch-host", "--level={level}"], {"level": "all; reboot"})
    ['patch-host', '--level=all; reboot']
    """
    known = parameters_of(command)
    if unknown := [name for name in parameters if name not in known]:
        takes = f"It takes {listed(known)}." if known else "It takes none."
        found = near(unknown[0], known)
        advice = f"Did you mean {found[0]}?" if found else takes
        raise UserError(
            f"Command {what} has no parameter {clean(unknown[0])!r:.80}.", advice=advice
        )
    if missing := [name for name in known if name not in parameters]:
        raise UserError(f"Command {what} needs {listed(missing)}.")
    if nul := [name for name in known if "\0" in parameters[name]]:
        raise UserError(f"Command {what}: {nul[0]} has a NUL in it, which no argument can hold.")
    for name in _may_be_options(command):
        if parameters[name].startswith("-"):
            raise UserError(
                f"Command {what}: {name} begins with a hyphen and would be read as an option.",
                advice=f"Where that is meant, the command has to have {_END_OF_OPTIONS} before it.",
            )
    words = [_PARAMETER.sub(lambda found: parameters[found[1]], word) for word in command]
    if len(quoted(words).encode("utf-8", "replace")) > _LONGEST:
        raise UserError(f"Command {what} is longer than {_LONGEST} bytes with its parameters.")
    return words


def quoted(words: Iterable[str]) -> str:
    """Return arguments as the text of which a POSIX shell makes these arguments and no others.

    >>> print(quoted(["echo", "$(id)", "it is"]))
    echo '$(id)' 'it is'
    """
    return shlex.join(words)


def _may_be_options(command: Iterable[str]) -> Iterator[str]:
    """Yield the parameters with which an argument begins that may still be an option."""
    for word in command:
        if word == _END_OF_OPTIONS:
            return
        if found := _PARAMETER.match(word):
            yield found[1]
