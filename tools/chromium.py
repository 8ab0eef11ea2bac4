"""Debian's Chromium without a screen, told what to do through a pipe: pictures of pages."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


class Chromium:
    """A browser with a new profile, for as long as the context lasts; it is ended by its id."""

    def __init__(self, program: str = "chromium") -> None:
        found = shutil.which(program)
        if found is None:
            raise SystemExit("chromium is not here: apt-get install chromium")
        self._program, self._asked = found, 0
        self._profile = tempfile.TemporaryDirectory(prefix="previews-", ignore_cleanup_errors=True)
        self.requested: list[str] = []

    def __enter__(self) -> Chromium:
        to_it, ours = os.pipe()
        self._answers, from_it = os.pipe()
        self._commands = ours
        # It reads commands at 3 and answers at 4; a shell is what puts them there.
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            ["/bin/sh", "-c", f'exec "$@" 3<&{to_it} 4>&{from_it}', "sh", self._program, *_FLAGS,
             f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(to_it, from_it), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_it)
        os.close(from_it)
        self._rest = b""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network"):
            self._ask(f"{domain}.enable")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._commands)
        os.close(self._answers)
        self._process.terminate()
        self._process.wait(30)
        self._profile.cleanup()

    def picture(self, page: Path, width: int, *, dark: bool, scripted: str = "") -> bytes:
        """Return a PNG of the whole page as a screen of ``width`` pixels shows it.

        ``dark`` is what the page is told that its reader prefers; ``scripted`` runs before the
        picture is taken. What the page requested stands in ``requested``.
        """
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._ask("Emulation.setEmulatedMedia", features=[scheme])
        self._size(width, 600)
        self._ask("Page.navigate", url=page.resolve().as_uri())
        self._until("Page.loadEventFired")
        if scripted:
            self._ask("Runtime.evaluate", expression=scripted)
        height = self._value("document.documentElement.scrollHeight")
        self._size(width, int(height))
        shot = self._ask("Page.captureScreenshot", format="png")
        return base64.b64decode(shot["data"])

    def overflow(self) -> int:
        """Return by how many pixels the page that was shown last is wider than its screen."""
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self._value(wide))

    def _size(self, width: int, height: int) -> None:
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def _value(self, expression: str) -> Any:
        return self._ask("Runtime.evaluate", expression=expression)["result"]["value"]

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._asked += 1
        asked = {"id": self._asked, "method": method, "params": parameters}
        if hasattr(self, "_session"):
            asked["sessionId"] = self._session
        os.write(self._commands, json.dumps(asked).encode() + b"\0")
        while True:
            told = self._told()
            if told.get("id") == self._asked:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']['message']}")
                return told["result"]

    def _until(self, event: str) -> None:
        while self._told().get("method") != event:
            pass

    def _told(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._answers, 1 << 20)
            if not read:
                raise RuntimeError("chromium has ended")
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(line)
        if told.get("method") == "Network.requestWillBeSent":
            self.requested.append(told["params"]["request"]["url"])
        return told
