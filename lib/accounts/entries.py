"""From an entry of the configuration to how its cloud is reached."""

from __future__ import annotations

from accounts import services
from accounts.config import CloudEntry
from accounts.credential_files import check_readable
from accounts.reach import Reach, certificate
from common.errors import UserError


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
    cert = reach.certificate
    both = cert if isinstance(cert, tuple) else (cert, None)
    check_readable({"cacert": reach.cacert, "cert": both[0], "key": both[1]}, where)
    return reach
