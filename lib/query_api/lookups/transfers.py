"""Offers of volumes to other projects that nobody has accepted yet."""

from __future__ import annotations

import msgspec

from accounts.cloud import Cloud
from query_api.wire.reader import one


class Transfer(msgspec.Struct):
    """An offer of a volume."""

    id: str
    volume_id: str
    name: str | None = None


class _Transfers(msgspec.Struct):
    transfers: list[Transfer]


def open_transfers(cloud: Cloud, volume: str) -> list[Transfer]:
    """Return the offers of a volume, of all projects if the account may see them.

    Raises CloudError. Cinder filters by no volume, so all are read: there are few at any time.
    """
    path = "/os-volume-transfer/detail"
    found = one(cloud, "block-storage", path, _Transfers, params={"all_tenants": "1"}).transfers
    return [transfer for transfer in found if transfer.volume_id == volume]
