"""Which things no bulk runbook touches, by the marks that their owners or operators put on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from accounts.config import Protected

# Values of the metadata key that take the protection off; whatever else stands there means it.
_OFF = frozenset({"false", "no", "off", "0"})


def protected(
    tags: Collection[str] | None, metadata: Mapping[str, object] | None, marks: Protected
) -> str:
    """Return by which mark a thing with these tags and this metadata is protected, or nothing."""
    if marks.tag in (tags or ()):
        return f"it is protected by the tag {marks.tag}"
    value = (metadata or {}).get(marks.metadata_key)
    if value is not None and str(value).strip().lower() not in _OFF:
        return f"it is protected by its metadata {marks.metadata_key}"
    return ""
