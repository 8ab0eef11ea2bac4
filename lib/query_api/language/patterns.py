"""Regular expressions that always end, whatever they say and whatever they are matched with.

They are RE2's: the time for a text grows with its length alone, where Python's own engine can take
longer than anybody waits, and lets nothing else of the process go on meanwhile.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from common.errors import UserError
from common.text import clean, shorten

# Characters of a pattern, and seconds that one may take for all values together: one that is as
# large as can be still takes milliseconds for a long text.
_LONGEST, _SECONDS = 1000, 20.0
# What Python's patterns have and these do not, each with what to do instead.
_LACKING = {
    r"\\[1-9]|\(\?P=": "a group cannot be referred to (\\1): that is what can take for ever",
    r"\(\?<?[=!]": "nothing can be looked for ahead or behind ((?=, (?!, (?<=, (?<!): write two "
    "conditions, one with !~",
    r"\(\?>|[*+?}]\+": "there are no atomic groups and no possessive repeats: plain ones are "
    "always fast here",
    r"\\Z": "the end of the text is \\z or $",
    r"\(\?[a-z]*[axLu]|\(\?#": "of the flags there are i, m, s and U, and no comments",
    r"\\[uN]": "a character is written as it is, or as \\x{20AC}",
    "[\ud800-\udfff]": "half of a character (a lone surrogate) matches nothing",
}


def searching(pattern: str) -> Callable[[str], bool]:
    """Return what says whether a pattern matches anywhere in a text.

    Raises ValueError, in words, if it is none. What is returned raises UserError when it has taken
    longer than a question may.
    """
    import re2

    if len(pattern) > _LONGEST:
        raise ValueError(f"a pattern has at most {_LONGEST} characters")
    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(pattern, options).search
    except (re2.error, UnicodeError) as error:
        raise ValueError(
            f"{pattern!r} is not a regular expression: {_why(pattern, error)}"
        ) from None
    spent = 0.0

    def found(text: str) -> bool:
        nonlocal spent
        began = time.perf_counter()
        try:
            match = search(text)
        except UnicodeEncodeError:  # half of a character, as JSON can have it
            match = search(text.encode("utf-8", "replace"))
        spent += time.perf_counter() - began
        if spent > _SECONDS:
            shown = shorten(clean(pattern), 80)
            raise UserError(
                f"The pattern {shown!r} took more than {_SECONDS:.0f} seconds, and was given up.",
                advice="Repeat less in it, or narrow what it is matched with by another condition.",
            )
        return match is not None

    return found


def _why(pattern: str, error: Exception) -> str:
    for lacking, told in _LACKING.items():
        if re.search(lacking, pattern):
            return told
    said = error.args[0] if error.args else error
    return clean(said.decode("utf-8", "replace") if isinstance(said, bytes) else said)
