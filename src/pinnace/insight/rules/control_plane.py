"""The control plane as it shows in the API: who holds the leases of controllers and scheduler, and certificates that nobody signs."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.apimachinery.times import parse_time
from pinnace.insight.findings import CAUSE, LIKELY, NOTE, Finding, Object, condition, field, finding
from pinnace.insight.world import World

LEADERS = {
    "kube-controller-manager": "controllers do nothing: no pods are created, nothing is rolled out or collected",
    "kube-scheduler": "the scheduler does nothing: new pods get no node",
    "cloud-controller-manager": "the cloud's controllers do nothing: no load balancers, no routes",
}
_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
_WAITS_SECONDS = 60


def leaders(lease: Object, world: World) -> Iterator[Finding]:
    """A lease that its holder does not renew, and that nobody took over."""
    if meta.namespace(lease) != "kube-system" or meta.name(lease) not in LEADERS:
        return
    spec = lease["spec"]
    renewed, lasts = spec.get("renewTime"), spec.get("leaseDurationSeconds") or 15
    if not renewed or not spec.get("holderIdentity"):
        return
    silent = world.now - parse_time(renewed).timestamp()
    if silent > 2 * lasts:
        yield finding(
            lease, f"{LEADERS[meta.name(lease)]}; {spec['holderIdentity']} renewed the lease {silent:.0f} s ago and nobody took over",
            evidence=[field(lease, "spec.renewTime", renewed), field(lease, "spec.leaseDurationSeconds", lasts)],
            commands=[f"kubectl describe lease {meta.name(lease)} -n kube-system", f"kubectl get pods -n kube-system -l component={meta.name(lease)}"],
        )  # fmt: skip


def certificate_request(request: Object, world: World) -> Iterator[Finding]:
    name, signer = meta.name(request), request["spec"].get("signerName", "")
    status = request.get("status") or {}
    denied, failed = meta.find_condition(request, "Denied"), meta.find_condition(request, "Failed")
    if found := denied or failed:
        yield finding(
            request, f"it was {'denied' if denied else 'approved, and could not be signed'}: {found.get('message') or found.get('reason')}",
            rank=LIKELY if world.is_asked(request) else NOTE, evidence=[condition(request, found), field(request, "spec.signerName", signer)],
        )  # fmt: skip
        return
    if status.get("certificate") or world.age(request) < _WAITS_SECONDS:
        return
    who = request["spec"].get("username", "")
    if meta.condition_is_true(request, "Approved"):
        yield finding(
            request,
            f"it is approved, and nobody signs for {signer}: does that signer run?",
            rank=LIKELY,
            evidence=[field(request, "spec.signerName", signer)],
        )
    else:
        yield finding(
            request, f"nobody has approved the certificate that {who} asks for", rank=CAUSE if signer == _CLIENT or world.is_asked(request) else NOTE,
            evidence=[field(request, "spec.signerName", signer), field(request, "status.conditions", [])],
            commands=[f"kubectl certificate approve {name}", f"kubectl describe csr {name}"],
        )  # fmt: skip
