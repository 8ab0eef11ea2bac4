"""Mail runbooks."""

from workflows import (  # noqa: F401 - they register runbooks
    email_campaign,
    email_hosts,
    email_lists,
    email_query,
    email_retiring,
    email_servers,
)
