"""Asking a cloud what an account may change, with requests that cannot change anything."""

from __future__ import annotations

import uuid

from accounts.catalogue import as_override
from accounts.cloud import Cloud
from common import tracing
from common.errors import CloudError

# No thing has the nil UUID (RFC 9562), so what is allowed ends in 404 and changes nothing.
_NOBODY = "00000000-0000-0000-0000-000000000000"


def may_change_services(cloud: Cloud) -> None:
    """Raise CloudError (403) if the account may not enable and disable compute services.

    Nova asks its policy before it looks for the service, so its 404 says yes.
    """
    trace = tracing.Trace(str(uuid.uuid4()), fence=lambda: None)
    try:
        with tracing.traced(trace), cloud.errors("asking for a right"):
            cloud.session.put(
                f"/os-services/{_NOBODY}",
                json={"status": "enabled"},
                endpoint_filter=cloud.endpoint_filter("compute"),
                endpoint_override=as_override(cloud.address("compute")),
                microversion="2.53",
            )
    except CloudError as error:
        if error.status != 404:
            raise
