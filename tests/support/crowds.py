"""Many servers of a fake cloud, each where a verb has something to do on it."""

from __future__ import annotations

from typing import Any

from examples import example
from support.fake_cloud import FakeCloud
from support.fake_cloud_estate import uuid_of
from support.fake_cloud_tables import Tables
from support.server_stand import ServerStand
from support.verb_stands import options_of
from verbs.verb import Verb

# What each server has one of its own of, among what the examples name.
_OWN = ("volume", "port")


class Crowd:
    """So many servers, and the rows by which a verb is asked for on each."""

    def __init__(self, fake: FakeCloud, verb: Verb, number: int) -> None:
        self._verb = verb
        self._names = [f"many-{n:03}" for n in range(number)]
        self._stands = [ServerStand(fake, name) for name in self._names]
        for name, stand in zip(self._names, self._stands, strict=True):
            if verb.begins:
                stand.set(sorted(verb.begins(options_of(verb)))[0])
            if verb.gone:
                stand.equip(verb)
                self._give(fake, name)
            else:
                stand.prepare(verb)
        # There are room and quota for all of them.
        fake.nova.lives.quota = dict.fromkeys(fake.nova.lives.quota, 1_000_000)
        fake.hypervisors[0].holds = dict.fromkeys(("VCPU", "MEMORY_MB", "DISK_GB"), 1_000_000)
        for server in fake.servers:
            # Rows of different content, so that nothing is taken for equal.
            server.metadata["number"] = server.name

    def _give(self, fake: FakeCloud, name: str) -> None:
        """Give a server what goes with it, and what is left of it."""
        server, tables = fake.server(name), fake.part(Tables)
        server.doomed = list(server.volumes)
        (port,) = (row for row in tables.ports if row["device_id"] == server.id)
        floating = {"id": uuid_of("floating_ip", name), "port_id": port["id"]}
        tables.floating_ips.append({**floating, "floating_ip_address": "198.51.100.7"})

    def rows(self) -> list[dict[str, Any]]:
        """Return the parameters of each."""
        given = example(self._verb.name)
        own = {word: given[word] for word in _OWN if word in given}
        rows = []
        for name, stand in zip(self._names, self._stands, strict=True):
            row = {**given, "server": name}
            row |= {word: stand.own(thing) for word, thing in own.items()}
            if "confirm" in self._verb.options.__struct_fields__ and "confirm" in given:
                row["confirm"] = given["confirm"] if isinstance(given["confirm"], bool) else name
            rows.append(row)
        return rows
