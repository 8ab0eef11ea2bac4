"""What is watched: every compute of the cloud, in one rack; and the alert that always fires."""

from devcloud.alerting import WATCHDOG, Alerting
from devcloud.monitored import RACK, Monitor
from devcloud.seeding.site import Site


def seed_monitoring(site: Site, reset: bool) -> None:
    """Have the hosts in Icinga and the alert in Alertmanager.

    ``reset`` also has all hosts up, and neither downtimes nor silences nor other alerts.
    """
    monitor = Monitor(site.settings)
    for host, parent in ((RACK, None), *((host, RACK) for host in site.settings.compute_hosts)):
        if monitor.have_host(host, parent):
            site.did(f"monitoring of {host}")
    if reset:
        monitor.reset()
    alerting = Alerting(site.settings)
    if not alerting.fires(**WATCHDOG):
        alerting.fire(**WATCHDOG)
        site.did("the alert that always fires")
    if reset:
        alerting.reset()
