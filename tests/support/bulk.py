"""Who asks for bulk runs on a fake cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.dispatch import dispatch
from support.fake_cloud import FakeCloud
from support.runs import Silent, new_state


class Site:
    """A fake cloud, a state store, and who asks for bulk runs there."""

    def __init__(self, fake: FakeCloud, folder: Path) -> None:
        self.fake, self.folder = fake, folder
        url = new_state(folder / "state.db")
        self.config = fake.config(state_url=url, files={"allowed": [str(folder)]})

    def bulk(self, action: str = "server.stop", **parameters: Any) -> tuple[str, dict[str, Any]]:
        """Ask for a bulk run, for real unless it is to be a dry run."""
        asked = {"action": action, "dry_run": False, "on_failure": "continue", **parameters}
        return self.ask("bulk.run", **asked)

    def ask(self, name: str, **parameters: Any) -> tuple[str, dict[str, Any]]:
        """Ask for any action."""
        return dispatch(name, parameters, self.config, reporter=Silent())

    def named(self, *names: str) -> str:
        """Return the condition that servers of these names pass."""
        return f"name any_in ({', '.join(names)})"

    def stopped(self) -> list[str]:
        """Return the servers that are shut off."""
        return [server.name for server in self.fake.servers if server.status == "SHUTOFF"]
