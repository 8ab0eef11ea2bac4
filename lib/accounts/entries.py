"""From an entry of the configuration to how its cloud is reached."""

from __future__ import annotations

import os

from accounts import services
from accounts.config import CloudEntry
from accounts.reach import Reach, certificate
from common.errors import UserError
from common.files import read_regular
from common.text import clean


def of_entry(entry: CloudEntry) -> Reach:
    """Return how the cloud of an entry is reached.

    Raises UserError if the entry, or the one of clouds.yaml that it names, cannot be right.
    """
    where = f"Cloud {entry.name!r}"
    overrides = services.by_service(entry.endpoint_override, f"{where}: endpoint_override")
    if entry.clouds_yaml:
        if entry.auth or entry.auth_type:
            raise UserError(
                f"{where}: it has both clouds_yaml and auth or auth_type, and only one can be "
                "meant."
            )
        from accounts import clouds_yaml

        reach = clouds_yaml.reach(entry, overrides)
    else:
        reach = Reach(
            auth_type=entry.auth_type or "password",
            auth={key.replace("-", "_"): value for key, value in entry.auth.items()},
            region=entry.region_name or None,
            interface=entry.interface or "public",
            cacert=entry.cacert,
            certificate=certificate(entry.cert, entry.key, where),
            overrides=overrides,
        )
    for key, path in _files(reach):
        if key == "cacert" and os.path.isdir(path):
            continue  # one of hashed certificates
        try:
            read_regular(path)
        except FileNotFoundError:
            raise UserError(
                f"{where}: there is no file {clean(path)}, which {key} names."
            ) from None
        except OSError as error:
            raise UserError(
                f"{where}: {clean(path)}, which {key} names, cannot be read: "
                f"{clean(error.strerror)}."
            ) from None
    return reach


def _files(reach: Reach) -> list[tuple[str, str]]:
    cert = reach.certificate
    both = cert if isinstance(cert, tuple) else (cert, None)
    named = {"cacert": reach.cacert, "cert": both[0], "key": both[1]}
    return [(key, path) for key, path in named.items() if path]
