"""CSR signer: approved requests for Kubernetes' own signers get a certificate of the cluster's CA, or the condition Failed.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/certificates/signer/signer.go
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from pinnace.api import conditions
from pinnace.api.certificates import requests
from pinnace.api.certificates.requests import Unreadable, Wanted
from pinnace.api.meta import Object
from pinnace.api.resources import CERTIFICATE_SIGNING_REQUESTS
from pinnace.apimachinery.times import format_time
from pinnace.controllers.runtime import Action, Controller, SetStatus, World

SIGNERS = (requests.CLIENT, requests.KUBELET_CLIENT, requests.KUBELET_SERVING, requests.LEGACY)


class Authority(Protocol):
    def sign(self, wanted: Wanted, usages: set[str], seconds: int | None, now: datetime) -> str:
        """The certificate, PEM in base64."""
        ...


def refusal(signer: str, wanted: Wanted, usages: set[str]) -> str:
    """Why this signer does not sign such a request; "" when it does."""
    if signer == requests.CLIENT:
        return requests.wrong_for_client(usages)
    if signer == requests.KUBELET_CLIENT:
        return requests.wrong_for_kubelet_client(wanted, usages)
    if signer == requests.KUBELET_SERVING:
        return requests.wrong_for_kubelet_serving(wanted, usages)
    return ""  # legacy-unknown


def controller(authority: Authority) -> Controller:
    def reconcile(csr: Object, world: World) -> Iterator[Action]:
        spec, status = csr["spec"], csr.get("status") or {}
        if spec.get("signerName") not in SIGNERS or status.get("certificate"):
            return
        if not requests.is_approved(csr) or requests.has_condition(csr, requests.FAILED):
            return
        usages = requests.usages(csr)
        try:
            wanted = requests.read(csr)
            wrong = refusal(spec["signerName"], wanted, usages)
        except Unreadable as error:
            yield SetStatus(csr, _failed(status, str(error), world.now))
            return
        if wrong:
            yield SetStatus(csr, _failed(status, wrong, world.now))
            return
        certificate = authority.sign(wanted, usages, spec.get("expirationSeconds"), world.now)
        yield SetStatus(csr, {**status, "certificate": certificate})

    return Controller(
        name="certificatesigningrequest-signing",
        source="csrsigning",
        primary=CERTIFICATE_SIGNING_REQUESTS,
        reconcile=reconcile,
        workers=1,
    )


def _failed(status: Object, why: str, now: datetime) -> Object:
    added = conditions.set_condition(
        status.get("conditions"), requests.FAILED, "True", "SignerValidationFailure", why, now=now,
        extra={"lastUpdateTime": format_time(now)},
    )  # fmt: skip
    return {**status, "conditions": added}
