"""What is watched: every compute of the cloud, in one rack."""

from devcloud.monitored import RACK, Monitor
from devcloud.seeding.site import Site


def seed_monitoring(site: Site, reset: bool) -> None:
    """Have the hosts in Icinga; ``reset`` also has all of them up, and no downtimes."""
    monitor = Monitor(site.settings)
    for host, parent in ((RACK, None), *((host, RACK) for host in site.settings.compute_hosts)):
        if monitor.have_host(host, parent):
            site.did(f"monitoring of {host}")
    if reset:
        monitor.reset()
