"""Which services have told the others that they are alive, and when they last did."""

from devcloud.databases import query
from devcloud.services import compute_service, compute_services
from devcloud.settings import Settings


def reporting_services(settings: Settings) -> set[str]:
    """The services without a port that say through the database that they are alive."""
    return {service.name for service in compute_services(settings)}


def last_reports(settings: Settings) -> dict[str, str]:
    """Reporting service -> a mark that changes whenever it reports; clocks are not compared."""
    agents = len(settings.compute_hosts) + 3 * len(settings.network_hosts)
    rows = query(
        settings,
        f"SELECT CONCAT('{compute_service('')}', s.host), s.report_count FROM nova.services s"
        " JOIN nova.compute_nodes n ON n.host = s.host AND n.deleted = 0"
        " WHERE s.deleted = 0 AND s.binary = 'nova-compute' UNION ALL"
        " SELECT 'neutron-agents', MAX(heartbeat_timestamp) FROM neutron.agents"
        f" HAVING COUNT(*) >= {agents}",
    )
    return dict(rows)
