"""How mail looks: styles that are put into plain tags, because many mail programs read no others.

A key is a tag, or a tag with a class. Colours that an organisation chooses are Jinja expressions,
which are filled in with the rest of the template.
"""

from __future__ import annotations

import functools
import re

import msgspec

_FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
_TEXT, _QUIET, _LINE = "#1f2933", "#5b6773", "#d5dbe1"
# Names and ids may be longer than a screen is wide.
_WRAP = "overflow-wrap:anywhere;word-break:break-word"
STYLES: dict[str, str] = {
    "body": "margin:0;padding:0;background-color:{{ look.background }};"
    "-webkit-text-size-adjust:100%;-ms-text-size-adjust:100%",
    "table.page": "background-color:{{ look.background }};width:100%",
    "td.page": "padding:16px 8px",
    "table.card": f"width:100%;max-width:760px;background-color:#ffffff;color:{_TEXT};"
    f"font-family:{_FONT};font-size:15px;line-height:1.55;border:1px solid {_LINE}",
    "td.bar": "background-color:{{ look.accent }};height:4px;font-size:4px;line-height:4px",
    "td.head": f"padding:20px 20px 8px;font-size:13px;font-weight:600;letter-spacing:.02em;"
    f"color:{_QUIET}",
    "td.body": f"padding:12px 20px 16px;color:{_TEXT};{_WRAP}",
    "td.foot": f"padding:16px 20px 20px;border-top:1px solid {_LINE};font-size:12px;"
    f"line-height:1.6;color:{_QUIET};{_WRAP}",
    "img.logo": "display:inline-block;height:36px;max-width:240px;width:auto;border:0;"
    "vertical-align:middle;margin-right:12px",
    "h1": f"margin:0 0 20px;font-size:21px;line-height:1.3;font-weight:600;color:{_TEXT}",
    "h2": f"margin:28px 0 10px;font-size:16px;line-height:1.35;font-weight:600;color:{_TEXT}",
    "p": "margin:0 0 16px",
    "p.quiet": f"margin:0 0 16px;font-size:13px;color:{_QUIET}",
    "p.foot": "margin:0 0 2px",
    "ul": "margin:0 0 16px;padding:0 0 0 22px",
    "ol": "margin:0 0 16px;padding:0 0 0 22px",
    "li": "margin:0 0 6px",
    "a": "color:{{ look.link }};text-decoration:underline",
    "code": "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px",
    "div.note": "margin:0 0 20px;padding:12px 16px 1px;background-color:#f4f6f8;"
    "border-left:3px solid {{ look.accent }}",
    "table.facts": "margin:0 0 20px;border-collapse:collapse;width:100%",
    "th.facts": f"padding:5px 16px 5px 0;vertical-align:top;font-weight:400;color:{_QUIET};"
    "white-space:nowrap;width:1%",
    "td.facts": f"padding:5px 0;font-weight:600;{_WRAP}",
    # What a table's rows stand in.
    "table.rows": "width:100%;margin:0 0 20px;border-collapse:collapse;font-size:13px;"
    "line-height:1.45",
    "th.rows": f"padding:6px 8px 6px 0;border-bottom:2px solid {_LINE};font-size:11px;"
    f"letter-spacing:.04em;font-weight:600;color:{_QUIET}",
    "th.group": f"padding:16px 0 6px;border-bottom:1px solid {_LINE};font-weight:600;{_WRAP}",
    ".words": "overflow-wrap:normal;word-break:normal",
    "td.rows": f"padding:8px 8px 8px 0;border-bottom:1px solid {_LINE};{_WRAP}",
}
_TAG = re.compile(r"<([a-z][a-z0-9]*)(?=[\s>])([^<>]*)")
_CLASS = re.compile(r"\bclass=\"([a-z]+)\"")


def inlined(source: str) -> str:
    """Return an HTML template whose tags carry their styles; no line moves."""

    def styled(found: re.Match[str]) -> str:
        tag, rest = found.groups()
        named = _CLASS.search(rest)
        style = STYLES.get(f"{tag}.{named[1]}" if named else tag) or STYLES.get(tag)
        if style is None or "style=" in rest:
            return found[0]
        return f'<{tag} style="{style}"{rest}'

    return _TAG.sub(styled, source)


class Look(msgspec.Struct, frozen=True):
    """The colours that a layout is given: an accent, and links that can be read on their ground."""

    accent: str
    background: str
    link: str
    dark_link: str


@functools.lru_cache(16)
def look(accent: str, background: str) -> Look:
    """Return what follows from an organisation's colours, each ``#rrggbb``."""
    return Look(
        accent=accent,
        background=background,
        link=_readable(accent, on="#ffffff", towards=0),
        dark_link=_readable(accent, on="#1d2127", towards=255),
    )


def _readable(colour: str, *, on: str, towards: int) -> str:
    """Return the colour, moved towards black or white until it has a contrast of 4.5 (WCAG)."""
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    for percent in range(0, 101, 5):
        moved = [part + (towards - part) * percent // 100 for part in parts]
        found = "#{:02x}{:02x}{:02x}".format(*moved)
        if contrast(found, on) >= 4.5:
            return found
    return f"#{towards:02x}{towards:02x}{towards:02x}"


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21 (WCAG 2.2, contrast ratio)."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
