"""CSR cleaner: requests are forgotten some time after they were made, sooner when they are settled.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/certificates/cleaner/cleaner.go
"""

import base64
from collections.abc import Iterator
from datetime import datetime, timedelta

from pinnace.api.certificates import requests
from pinnace.api.meta import Object
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS
from pinnace.apimachinery.times import parse_time
from pinnace.controllers.runtime import Action, Controller, Delete, RequeueAfter, World

SETTLED, PENDING = timedelta(hours=1), timedelta(hours=24)


def ends_at(csr: Object) -> datetime:
    """When the request goes: approved, denied and failed ones after an hour, pending ones after a day, and with its certificate."""
    created = parse_time(csr["metadata"]["creationTimestamp"])
    status = csr.get("status") or {}
    if not status.get("conditions"):
        return created + PENDING
    settled = [
        parse_time(when) for one in status["conditions"] if (when := one.get("lastUpdateTime"))
    ]  # fmt: skip
    end = max(settled, default=created) + SETTLED
    if status.get("certificate") and not requests.has_condition(csr, requests.DENIED):
        return min(end, _expiry(status["certificate"], end))
    return end


def _expiry(certificate: str, otherwise: datetime) -> datetime:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc
    except ValueError:
        return otherwise


def reconcile(csr: Object, world: World) -> Iterator[Action]:
    left = (ends_at(csr) - world.now).total_seconds()
    yield Delete(csr) if left <= 0 else RequeueAfter(left)


CONTROLLER = Controller(
    name="certificatesigningrequest-cleaner",
    source="csrcleaner",
    primary=CERTIFICATE_SIGNING_REQUESTS,
    reconcile=reconcile,
    workers=1,
)
