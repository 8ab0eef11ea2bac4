"""Servers of a real cloud, brought to where a verb has something to do, without our runbooks."""

from __future__ import annotations

from support.cloud_site import Guest, Site
from verbs.verb import Verb

# A status -> the action of Nova that leads to it from ACTIVE.
_LEADS = {
    "SHUTOFF": "os-stop",
    "PAUSED": "pause",
    "SUSPENDED": "suspend",
    "SHELVED": "shelve",
    "SHELVED_OFFLOADED": "shelve",
}
# What another verb than these finds as it is.
_LOCKED = "server.unlock"


def ready_for(site: Site, verb: Verb) -> Guest:
    """Return a new server on which the verb has something to do."""
    (guest,) = site.boot()
    begins = verb.begins(verb.options()) if verb.begins else {"ACTIVE"}
    if "ACTIVE" not in begins:
        # A shelved server is offloaded by and by, at once where devcloud has it so.
        state, *_ = sorted(begins, reverse=True)
        site.act(guest, _LEADS[state], state)
    if verb.name == _LOCKED:
        site.act(guest, "lock")
    return guest


def is_as_it_should(site: Site, verb: Verb, guest: Guest) -> bool:
    """Return whether the cloud's own API shows the server where the verb leads."""
    shown = site.server(guest)
    if verb.begins is None:
        return bool(shown["locked"]) is (verb.name != _LOCKED)
    ends = {"server.stop": "SHUTOFF", "server.pause": "PAUSED", "server.suspend": "SUSPENDED"}
    wanted = ends.get(verb.name, "SHELVED_OFFLOADED" if verb.name == "server.shelve" else "ACTIVE")
    return shown["status"] == wanted and shown["OS-EXT-STS:task_state"] is None
