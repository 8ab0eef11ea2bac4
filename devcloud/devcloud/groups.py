"""Groups of services that stand beside the cloud, and are brought up where they are asked for."""

from collections.abc import Iterable

from devcloud.alertmanager import ALERTMANAGER
from devcloud.icinga import ICINGA
from devcloud.part import Part
from devcloud.ssh import SSH

GROUPS: dict[str, tuple[Part, ...]] = {
    "monitoring": (ICINGA, ALERTMANAGER),
    "ssh": (SSH,),
}
"""What `devcloud/up --with` takes: each group is remembered, and up with every later `up`."""


def parts(groups: Iterable[str]) -> list[Part]:
    """What the groups consist of."""
    return [part for group in groups for part in GROUPS[group]]
