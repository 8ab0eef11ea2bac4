"""Deliveries to a webhook: JSON, with an id by which one that comes twice is known, and signed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

from accounts.webhook import Webhook

#: The header that services and their libraries know from GitHub: HMAC-SHA256 of the body, in hex.
SIGNATURE = "X-Hub-Signature-256"
DELIVERY = "X-Openstack-Ops-Delivery"


def deliver(webhook: Webhook, id: str, told: Mapping[str, Any], doing: str) -> None:
    """Tell a webhook something; whatever it answers with 2xx says that it has taken it.

    The same ``id`` says that it is the same delivery. Raises as :meth:`HttpAccount.change`.
    """
    body = json.dumps({"id": id, **told}, sort_keys=True).encode()
    headers = {DELIVERY: id}
    if webhook.secret:
        signed = hmac.new(webhook.secret.encode(), body, hashlib.sha256)
        headers[SIGNATURE] = f"sha256={signed.hexdigest()}"
    webhook.change("POST", "", type(None), doing, body=body, headers=headers)
