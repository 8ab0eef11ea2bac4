"""Power and faults of the pretended hosts, for tests and `devcloud/fault`.

For tests::

    from devcloud import power

    power.set_knobs("cmp-4", down_seconds=10, patch_fails=True)
    power.switch("cmp-4", "off")
    power.clear()

Every function means the devcloud of $DEVCLOUD_STATE (or `.devcloud` in the repository).
"""

from pathlib import Path

from devcloud import machines, waiting
from devcloud.errors import DevcloudError
from devcloud.settings import Settings, existing, private_file

KNOBS = ("down_seconds", "patch_seconds", "patch_fails", "stays_down")
LIMIT = 60


def set_knobs(host: str, **knobs: float | bool) -> None:
    """Have a host do otherwise from now on; False or 0 takes a knob away.

    `down_seconds` is how long it is down when it reboots (3 by default), `patch_seconds` how long
    patching takes, `patch_fails` that it fails, `stays_down` that it does not come back.
    """
    place = _folder(existing(), host)
    for name, value in knobs.items():
        if name not in KNOBS:
            raise DevcloudError(f"no knob {name} of a host: there are {', '.join(KNOBS)}")
        if value:
            private_file(place / name, f"{float(value)}\n")
        else:
            (place / name).unlink(missing_ok=True)


def clear() -> None:
    """Take all knobs away, and switch on what is off."""
    settings = existing()
    if "ssh" not in settings.groups:
        return
    for host in settings.compute_hosts:
        set_knobs(host, **dict.fromkeys(KNOBS, False))
        if machines.is_off(settings, host):
            switch(host, "on")


def switch(host: str, to: str) -> None:
    """Switch a host on or off, or reboot it, and return when that is done."""
    settings = existing()
    before = boot_id(host)
    order = _folder(settings, host) / "order"
    draft = order.with_suffix(".new")
    draft.write_text(to)
    draft.replace(order)

    def is_done() -> bool:
        if order.exists():
            return False
        if to == "off":
            return machines.is_off(settings, host)
        is_on = not machines.is_off(settings, host) and machines.answers(settings, host)
        return is_on and (to == "on" or boot_id(host) != before)

    try:
        waiting.until(is_done, LIMIT)
    except waiting.TimedOut as error:
        raise DevcloudError(
            f"{host} is not {to} ({error}): is {host} in devcloud/status?"
        ) from error


def boot_id(host: str) -> str:
    """The boot that a host is in."""
    return (_folder(existing(), host) / "boot_id").read_text().strip()


def kernel(host: str) -> str:
    """The kernel that a host runs."""
    return (_folder(existing(), host) / "kernel").read_text().strip()


def _folder(settings: Settings, host: str) -> Path:
    if "ssh" not in settings.groups:
        raise DevcloudError("there are no hosts to log in to: devcloud/up --with ssh")
    if host not in settings.compute_hosts:
        hosts = ", ".join(settings.compute_hosts)
        raise DevcloudError(f"no compute host {host}: there are {hosts}")
    return machines.folder(settings, host)
