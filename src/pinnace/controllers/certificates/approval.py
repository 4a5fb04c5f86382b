"""Writing the approval of a certificate request, as both approvers do, and which requests still wait for one."""

from pinnace.api.certificates import requests
from pinnace.api.meta import Object
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS
from pinnace.apimachinery.times import format_time
from pinnace.client.interface import Client
from pinnace.component.clock import Clock


def is_open(csr: Object) -> bool:
    """Nobody has decided about it, and no certificate was issued."""
    status = csr.get("status") or {}
    return not status.get("conditions") and not status.get("certificate")


async def approve(client: Client, clock: Clock, csr: Object, message: str) -> None:
    """Raises StatusError, a conflict when somebody else has written the request meanwhile."""
    now = format_time(clock.now())
    condition = {
        "type": requests.APPROVED, "status": "True", "reason": "AutoApproved", "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    }  # fmt: skip
    approved = {**csr, "status": {**(csr.get("status") or {}), "conditions": [condition]}}
    await client.update(CERTIFICATE_SIGNING_REQUESTS, approved, subresource="approval")
