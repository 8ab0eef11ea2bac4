"""An image of the fake cloud and one of a real cloud, for the tests that go through all verbs."""

from __future__ import annotations

from typing import Any, ClassVar

from support.cloud_site import Site
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import Project
from support.fake_cloud_volume import FakeCinder
from support.proxy import Match
from verbs.verb import Verb


class ImageStand:
    """An image, shared with the project ``shop`` where a verb ends or accepts that."""

    states = ("active", "deactivated", "queued", "killed")
    marks = ("protected",)
    changes = "(POST|PUT|PATCH|DELETE) .*/images/"

    def __init__(self, fake: FakeCloud, name: str = "web-1") -> None:
        FakeCinder(fake)  # which is asked what is made of it
        self._glance = fake.glance
        self._row = fake.glance.image(name)
        self._fake = fake
        # Options are compared as they are sent, so its id is what the examples call it.
        fake.projects.append(Project("shop", id="shop"))

    def prepare(self, verb: Verb) -> None:
        if verb.name in ("image.unshare", "image.accept"):
            pending = {"shop": "pending", self._fake.project: "pending"}
            self._glance.members[self._row["id"]] = pending
        self._row["protected"] = verb.name == "image.unprotect"

    def set(self, state: str) -> None:
        self._row["status"] = state

    def is_busy(self) -> bool:
        return self._row["status"] == "saving"

    def disturb(self) -> str:
        self._row["status"] = "saving"
        return "saving"

    def mark(self, how: str) -> None:
        self._row["tags"] = ["openstack-ops-protected"]

    def go(self, *, ends: str = "", seconds: float | None = 0.2, task: bool = True) -> str:
        raise ValueError("nothing that a verb does takes its time on an image")

    def remove(self) -> None:
        self._fake.images.clear()


class ImageOnCloud:
    """An image of a few bytes that projects can share."""

    _SENDS: ClassVar = {
        "image.delete": "DELETE",
        "image.unshare": "DELETE",
        "image.accept": "PUT",
        "image.share": "POST",
        "image.deactivate": "POST",
        "image.reactivate": "POST",
    }
    _MARK = "openstack-ops-protected"

    def __init__(self, site: Site, verb: Verb) -> None:
        self._site, self._verb = site, verb
        self.change = Match("image", self._SENDS.get(verb.name, "PATCH"), "/images/")
        self._image = site.new_image(is_protected=verb.name == "image.unprotect")
        self._project = site.project() if "project" in verb.options.__struct_fields__ else ""
        if verb.name in ("image.unshare", "image.accept"):
            site.sdk.image.add_member(self._image, member_id=self._project)
        if verb.name == "image.reactivate":
            site.sdk.image.deactivate_image(self._image)

    def parameters(self) -> dict[str, Any]:
        return {"image": self._image, **({"project": self._project} if self._project else {})}

    def is_as_it_should(self) -> bool:
        shown = self._site.find_image(self._image)
        if shown is None or self._verb.gone:
            return shown is None and self._verb.gone
        wanted = {
            "image.accept": {"members": {self._project: "accepted"}},
            "image.deactivate": {"status": "deactivated"},
            "image.protect": {"protected": True, "tags": [self._MARK]},
            "image.reactivate": {"status": "active"},
            "image.share": {"members": {self._project: "pending"}},
            "image.unprotect": {"protected": False, "tags": []},
            "image.unshare": {"members": {}},
            "image.update": {"os_distro": "debian", "os_version": "12", "min_ram": 512},
        }[self._verb.name]
        return wanted.items() <= shown.items()

    def facts(self) -> dict[str, Any]:
        return self._site.find_image(self._image) or {}
