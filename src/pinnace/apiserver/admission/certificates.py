"""CertificateApproval, CertificateSigning, CertificateSubjectRestriction: who may decide about requests, and for whom.

Facts: https://github.com/kubernetes/kubernetes/tree/master/plugin/pkg/admission/certificates
"""

from typing import ClassVar

from pinnace.api.certificates import requests
from pinnace.apimachinery import errors
from pinnace.apiserver.admission.attributes import Admission, Operation
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.registry.catalog import Registries

GROUP, RESOURCE = "certificates.k8s.io", "certificatesigningrequests"


class _SignerPlugin(BasePlugin):
    validates: ClassVar[tuple[Operation, ...]] = ("UPDATE",)

    def __init__(self, registries: Registries) -> None:
        self._registries = registries

    async def _require(self, admission: Admission, verb: str) -> None:
        """The right to approve or sign for this signer, or for all of its domain."""
        signer = ((admission.old or {}).get("spec") or {}).get("signerName") or ""
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            asked = Attributes(admission.user, verb, True, GROUP, "*", "signers", "", name)
            if (await self._registries.authorizer.authorize(asked)).allowed:
                return
        why = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise errors.forbidden(RESOURCE, admission.name, why, GROUP)


class CertificateApproval(_SignerPlugin):
    name = "CertificateApproval"

    async def validate(self, admission: Admission) -> None:
        if admission.is_for(RESOURCE, GROUP, "approval"):
            await self._require(admission, "approve")


class CertificateSigning(_SignerPlugin):
    name = "CertificateSigning"

    async def validate(self, admission: Admission) -> None:
        if not admission.is_for(RESOURCE, GROUP, "status"):
            return
        after, before = ((obj or {}).get("status") or {} for obj in (admission.object, admission.old))
        if any(after.get(field) != before.get(field) for field in ("certificate", "conditions")):
            await self._require(admission, "sign")


class CertificateSubjectRestriction(BasePlugin):
    name = "CertificateSubjectRestriction"
    validates: ClassVar[tuple[Operation, ...]] = ("CREATE",)

    def __init__(self, registries: Registries) -> None:
        pass

    async def validate(self, admission: Admission) -> None:
        csr = admission.object
        if csr is None or not admission.is_create_of(RESOURCE, GROUP):
            return
        if (csr.get("spec") or {}).get("signerName") != requests.CLIENT:
            return
        try:
            wanted = requests.read(csr)
        except requests.Unreadable as error:
            raise errors.forbidden(
                RESOURCE, admission.name, f"failed to parse CSR: {error}", GROUP
            ) from error
        if requests.MASTERS_GROUP in wanted.organizations:
            why = f"use of {requests.CLIENT} signer with {requests.MASTERS_GROUP} group is not allowed"
            raise errors.forbidden(RESOURCE, admission.name, why, GROUP)
