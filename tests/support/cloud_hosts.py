"""What tests of hypervisors are made of in a devcloud."""

from __future__ import annotations

from typing import Any

from support.cloud_site import TINY, Site


def parameters_of_test(site: Site, *hosts: str, **more: Any) -> dict[str, Any]:
    """Return the parameters of a test of hosts, on a network of devcloud's own estate."""
    made = {"network": "shop-net", "image": site.image(), "flavors": [TINY]}
    return {"hypervisors": list(hosts), **made, **more}
