"""Makes the estate. Started by `devcloud/seed` with the devcloud's own Python."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from keystoneauth1.exceptions import ClientException
from openstack.exceptions import SDKException

from devcloud import faults
from devcloud.errors import DevcloudError
from devcloud.lock import exclusive
from devcloud.progress import clock
from devcloud.seeding import foundations, monitoring, networks, volumes
from devcloud.seeding.scale import scale_to
from devcloud.seeding.servers import Servers
from devcloud.seeding.site import Collection, Site
from devcloud.settings import HERE, existing
from devcloud.told import told


@told
def main() -> int:
    """Make whatever is missing."""
    parser = argparse.ArgumentParser(
        "devcloud/seed",
        description="Make a small believable estate in a running devcloud. "
        "What is there already is left alone.",
    )
    parser.add_argument(
        "--reset",
        action="store_true",
        help="also clear faults, enable all hosts and put servers back on their hosts",
    )
    parser.add_argument(
        "--scale",
        type=int,
        metavar="N",
        help="instead, have N tiny servers without ports (0 deletes them)",
    )
    parser.add_argument(
        "--estate", type=Path, default=HERE / "estate.yaml", help="the data file to make"
    )
    arguments = parser.parse_args()
    say = clock()
    settings = existing()
    with exclusive(settings.state, "seed", "devcloud/seed"), _errors_in_a_sentence():
        site = Site(settings)
        if arguments.scale is not None:
            scale_to(site, arguments.scale)
        else:
            make_estate(site, yaml.safe_load(arguments.estate.read_text()), arguments.reset)
    say(f"{site.changes} changes" if site.changes else "nothing to change")
    return 0


@contextlib.contextmanager
def _errors_in_a_sentence() -> Iterator[None]:
    try:
        yield
    except (SDKException, ClientException) as error:
        raise DevcloudError(
            f"{error}\nwhat is made is kept: devcloud/seed goes on from here"
        ) from error


def make_estate(site: Site, estate: dict, reset: bool = False) -> None:
    """Everything in the order in which one thing needs the other."""
    if reset:
        faults.clear()
        for done in faults.restore_hosts():
            site.did(done)
    foundations.seed_identity(site, estate)
    independent = (
        foundations.seed_quotas,
        foundations.seed_hosts,
        foundations.seed_flavors,
        foundations.seed_images,
        networks.seed_networks,
        networks.seed_security_groups,
        volumes.seed_volumes,
        volumes.seed_server_groups,
    )
    site.each(lambda seed: seed(site, estate), independent)
    servers = Servers(site, estate)
    servers.look()
    servers.boot_missing()
    if reset:
        servers.have_hosts()
    networks.seed_floating_ips(site, estate, servers.ports())
    servers.have_volumes(Collection(site, "block_storage", "/volumes", "volume", volumes.ALL))
    servers.have_states()
    if "monitoring" in site.settings.groups:
        monitoring.seed_monitoring(site, reset)


if __name__ == "__main__":
    sys.exit(main())
