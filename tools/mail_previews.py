"""Render every notice with its example, and take pictures as mail programs show them.

python tools/mail_previews.py [--templates DIRECTORY] [--to FOLDER] [--only NAME ...]

Pictures are at 1000 and 400 pixels, light and dark, and one at 400 pixels without style sheets,
as programs show it that know nothing but inline styles. It fails if a page is wider than its
screen, or asks for anything from a network.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import mimetypes
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOP / "lib"), str(TOP / "tools")]

from accounts.mail_config import Organisation  # noqa: E402 - found by the line above
from chromium import Chromium  # noqa: E402
from email_api.notices import example, names, notice  # noqa: E402
from email_api.rendering import LOGO  # noqa: E402

NOW = datetime.datetime(2026, 11, 21, 9, 30, tzinfo=datetime.timezone.utc)
ORGANISATION = Organisation(
    name="Example Cloud",
    support="cloud-support@example.org",
    footer=(
        "You get this mail because you own something in Example Cloud.",
        "Example Ltd, 1 Example Street, Exampletown",
    ),
    logo=str(TOP / "icon.png"),
)
_WIDTHS = (1000, 400)
_BARE = "document.querySelectorAll('style').forEach(style => style.remove())"


def main() -> None:
    """Write ``<notice>.{txt,html}`` and ``<notice>-<width>-<look>.png``; exit with 1 if wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--templates", type=Path, action="append", default=[])
    parser.add_argument("--to", type=Path, default=TOP / "build" / "mail-previews")
    parser.add_argument("--only", nargs="*", help="names of notices")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    with Chromium() as browser:
        for name in options.only or names(options.templates):
            faults += _preview(browser, name, options.templates, options.to)
        faults += [
            f"asked for {url[:80]}"
            for url in browser.requested
            if not url.startswith(("file:", "data:", "about:"))
        ]
    print(f"previews are in {options.to}")
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults))


def _preview(browser: Chromium, name: str, templates: list[Path], folder: Path) -> list[str]:
    made = notice(name, templates).render(example(name, templates), ORGANISATION, now=NOW)
    (folder / f"{name}.txt").write_text(f"Subject: {made.subject}\n\n{made.text}")
    page = folder / f"{name}.html"
    page.write_text(made.html.replace(f"cid:{LOGO}", _as_data(Path(ORGANISATION.logo))))
    faults = []
    looks = [(width, look, "") for width in _WIDTHS for look in ("light", "dark")]
    for width, look, scripted in [*looks, (400, "bare", _BARE)]:
        shot = browser.picture(page, width, dark=look == "dark", scripted=scripted)
        (folder / f"{name}-{width}-{look}.png").write_bytes(shot)
        if over := browser.overflow():
            faults.append(f"{name} at {width} pixels, {look}: {over} pixels too wide")
    print(f"{name}: {made.subject}")
    return faults


def _as_data(image: Path) -> str:
    """Return an image as an address that needs no request."""
    kind = mimetypes.guess_type(image.name)[0] or "image/png"
    return f"data:{kind};base64,{base64.b64encode(image.read_bytes()).decode()}"


if __name__ == "__main__":
    main()
