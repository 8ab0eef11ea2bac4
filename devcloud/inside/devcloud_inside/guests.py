"""The guests of a pretended hypervisor, kept in a file so that they survive a restart."""

import json
import os
import threading


class Guest:
    """What the hypervisor knows of one server; a change of its state is written down."""

    def __init__(self, guests, name, state, uuid):
        self._guests, self.name, self.uuid = guests, name, uuid
        self._state = state

    @property
    def state(self):
        return self._state

    @state.setter
    def state(self, state):
        changed, self._state = state != self._state, state
        if changed:
            self._guests.save()

    def __getitem__(self, key):
        return getattr(self, key)


class Guests(dict):
    """Server id -> Guest, written to a file after each change."""

    def __init__(self, path):
        super().__init__()
        self._path, self._lock = path, threading.Lock()
        if os.path.exists(path):
            with open(path) as file:
                stored = json.load(file)
            for uuid, (name, state) in stored.items():
                super().__setitem__(uuid, Guest(self, name, state, uuid))

    def save(self):
        with self._lock:
            draft = self._path + ".new"
            with open(draft, "w") as file:
                json.dump(
                    {uuid: (guest.name, guest.state) for uuid, guest in [*self.items()]}, file
                )
            os.replace(draft, self._path)

    def __setitem__(self, uuid, guest):
        super().__setitem__(uuid, Guest(self, guest.name, guest.state, uuid))
        self.save()

    def __delitem__(self, uuid):
        super().__delitem__(uuid)
        self.save()

    def pop(self, uuid, *default):
        guest = super().pop(uuid, *default)
        self.save()
        return guest
