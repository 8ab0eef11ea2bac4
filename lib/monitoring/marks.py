"""What tells what a run has made in a monitoring system: a creator and the end of a comment."""

from __future__ import annotations

import hashlib
import re

#: Whom monitoring systems name as the creator of what runbooks make.
CREATOR = "openstack_ops"
#: How much of a run's id has to be given where it says what is ended.
START = re.compile(r"[0-9a-f-]{8,36}", re.IGNORECASE | re.ASCII)
_MARK = re.compile(r"\[run ([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) step ([0-9a-f]{12})\]\Z")


def comment(reason: str, run: str, key: str) -> str:
    """Return the comment of what the step ``key`` of a run makes: the reason, and the mark.

    A key can be long and have any characters, so the mark has its digest.
    """
    return f"{reason.strip()} [run {run} step {_digest(key)}]"


def run_of(creator: str, text: str) -> str | None:
    """Return the id of the run that made something, None if no run of ours did."""
    found = _MARK.search(text) if creator == CREATOR else None
    return found[1] if found else None


def made_by(creator: str, text: str, run: str, key: str) -> bool:
    """Return whether the step ``key`` of a run made something."""
    found = _MARK.search(text) if creator == CREATOR else None
    return found is not None and found.groups() == (run, _digest(key))


def reason_of(text: str) -> str:
    """Return a comment without the mark at its end."""
    return _MARK.sub("", text).rstrip()


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]
