"""What approvers of certificate signing requests have in common: which are open, and saying yes."""

from pinnace.api.certificates import requests
from pinnace.api.meta import Object
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS
from pinnace.apimachinery.times import format_time
from pinnace.client.interface import Client
from pinnace.component.clock import Clock


def is_open(csr: Object) -> bool:
    """Nobody has decided about it yet."""
    status = csr.get("status") or {}
    return not status.get("conditions") and not status.get("certificate")


async def approve(client: Client, clock: Clock, csr: Object, message: str) -> None:
    now = format_time(clock.now())
    condition = {
        "type": requests.APPROVED, "status": "True", "reason": "AutoApproved", "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    }  # fmt: skip
    approved = {**csr, "status": {**(csr.get("status") or {}), "conditions": [condition]}}
    await client.update(CERTIFICATE_SIGNING_REQUESTS, approved, subresource="approval")
