"""devcloud with small servers on it and a recording proxy before every endpoint."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openstack
import yaml

from support.proxy import CloudProxy

TOP = Path(__file__).resolve().parents[1]
STATE = Path(os.environ.get("DEVCLOUD_STATE", TOP / ".devcloud"))
_NAME = "bench-drain"


@dataclass
class Bench:
    """The cloud to measure on: ``config`` is a pack configuration that goes through ``proxy``."""

    proxy: CloudProxy
    config: Path
    auth: dict[str, Any]
    direct: Any
    name: str = _NAME

    def connect(self) -> Any:
        """Return a fresh SDK connection through the proxy: its login counts."""
        return openstack.connect(**self.auth, load_yaml_config=False, load_envvars=False)

    def gather(self, host: str) -> None:
        """Bring all bench servers back to ``host`` and enable its scheduling."""
        compute = self.direct.compute
        for service in compute.services(host=host, binary="nova-compute"):
            compute.update_service(service, status="enabled")
        away = [s for s in self._servers() if s.compute_host != host]
        for server in away:
            compute.live_migrate_server(server, host=host, block_migration="auto")
        until = time.monotonic() + 120
        while any(s.compute_host != host or s.task_state for s in self._servers()):
            if time.monotonic() > until:
                raise SystemExit("the servers did not come back within 120 s")
            time.sleep(1)

    def _servers(self) -> list[Any]:
        return list(self.direct.compute.servers(all_projects=True, name=f"^{self.name}-"))


@contextmanager
def bench_cloud(servers: int, *, name: str = _NAME, host: str | None = "cmp-1") -> Iterator[Bench]:
    """Boot ``servers`` small servers, called ``name`` and a number, and delete them afterwards.

    On one ``host``, which must be empty, or wherever Nova puts them.
    """
    config = yaml.safe_load((STATE / "openstack_ops.yaml").read_text())
    (entry,) = config["clouds"]
    auth = {"auth": entry["auth"], "region_name": entry["region_name"]}
    direct = openstack.connect(**auth, load_yaml_config=False, load_envvars=False)
    with CloudProxy(_endpoints(direct, entry)) as proxy, tempfile.TemporaryDirectory() as folder:
        behind = {**entry["auth"], "auth_url": proxy.url("identity") + "/v3"}
        path = Path(folder) / "config.yaml"
        mine = {**entry, "auth": behind}
        path.write_text(
            yaml.safe_dump(
                {**config, "clouds": [mine], "state_url": f"sqlite:///{folder}/state.db"}
            )
        )
        path.chmod(0o600)
        bench = Bench(proxy, path, {**auth, "auth": behind}, direct, name)
        if host:
            _refuse_if_used(direct, host)
        try:
            _boot(direct, servers, name, host)
            yield bench
        finally:
            for server in bench._servers():
                direct.compute.delete_server(server, force=True)
            for service in (
                direct.compute.services(host=host, binary="nova-compute") if host else ()
            ):
                direct.compute.update_service(service, status="enabled")


def _endpoints(direct: Any, entry: dict[str, Any]) -> dict[str, str]:
    """Return the origin of every endpoint in the catalogue, by service type."""
    found = {}
    for service in direct.session.auth.get_access(direct.session).service_catalog.catalog:
        for endpoint in service["endpoints"]:
            scheme, _, rest = endpoint["url"].partition("://")
            found[service["type"]] = f"{scheme}://{rest.partition('/')[0]}"
    origins: dict[str, str] = {}
    for service, origin in found.items():
        if origin not in origins.values():
            origins[service] = origin
    return origins


def _refuse_if_used(direct: Any, host: str) -> None:
    there = [s.name for s in direct.compute.servers(all_projects=True, compute_host=host)]
    if there:
        raise SystemExit(
            f"{host} holds {', '.join(there[:5])}: drain it first "
            f"(./runbook run hypervisor.drain hypervisor={host} reason=bench dry_run=false)"
        )


def _boot(direct: Any, servers: int, name: str, host: str | None) -> None:
    image = next(iter(direct.image.images(status="active")))
    # Without a disk of its own: then it is as large as whatever image was found wants it.
    flavor = direct.compute.find_flavor(name) or direct.compute.create_flavor(
        name=name, ram=64, vcpus=1, disk=0
    )
    where = {"availability_zone": f"nova:{host}"} if host else {}
    for service in direct.compute.services(host=host, binary="nova-compute") if host else ():
        direct.compute.update_service(service, status="enabled")
    made = [
        direct.compute.create_server(
            name=f"{name}-{number}",
            image_id=image.id,
            flavor_id=flavor.id,
            networks="none",
            **where,
        )
        for number in range(servers)
    ]
    for server in made:
        direct.compute.wait_for_server(server, wait=300)
