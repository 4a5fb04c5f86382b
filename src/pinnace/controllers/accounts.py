"""Whose rights a controller has: its own ServiceAccount's in kube-system, as with upstream's --use-service-account-credentials.

Lists and watches are shared by all, and the manager's. The accounts exist as names that RBAC knows; no object is needed for that.
Facts: https://github.com/kubernetes/kubernetes/blob/master/plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go
"""

from collections.abc import Coroutine
from typing import Any

from pinnace.api.resources import EVENTS
from pinnace.apimachinery.gvk import GVR
from pinnace.client.interface import ActsFor, Client, Object

NAMESPACE = "kube-system"
_NODE = "node-controller"
_CERTIFICATE = "certificate-controller"
ACCOUNTS = {  # those that the table does not name act as the manager: it issues tokens, and provisions local volumes
    "deployment": "deployment-controller",
    "replicaset": "replicaset-controller",
    "replicationcontroller": "replication-controller",
    "daemonset": "daemon-set-controller",
    "statefulset": "statefulset-controller",
    "job": "job-controller",
    "cronjob": "cronjob-controller",
    "ttl-after-finished": "ttl-after-finished-controller",
    "endpoints": "endpoint-controller",
    "endpointslice": "endpointslice-controller",
    "endpointslice-mirroring": "endpointslicemirroring-controller",
    "horizontal-pod-autoscaler": "horizontal-pod-autoscaler",
    "disruption": "disruption-controller",
    "serviceaccount": "service-account-controller",
    "clusterrole-aggregation": "clusterrole-aggregation-controller",
    "root-ca-certificate-publisher": "root-ca-cert-publisher",
    "certificatesigningrequest-approving": _CERTIFICATE,
    "certificatesigningrequest-signing": _CERTIFICATE,
    "certificatesigningrequest-cleaner": _CERTIFICATE,
    "service-cidr": "service-cidrs-controller",
    "service-lb": "service-controller",
    "node-lifecycle": _NODE,
    "node-ipam": _NODE,
    "taint-eviction": _NODE,
    "resourceclaim": "resource-claim-controller",
    "ttl": "ttl-controller",
    "bootstrap-signer": "bootstrap-signer",
    "token-cleaner": "token-cleaner",
    "pod-garbage-collector": "pod-garbage-collector",
    "persistentvolume-binder": "persistent-volume-binder",
    "persistentvolume-expander": "expand-controller",
    "persistentvolume-attach-detach": "attachdetach-controller",
    "ephemeral-volume": "ephemeral-volume-controller",
    "persistentvolumeclaim-protection": "pvc-protection-controller",
    "persistentvolume-protection": "pv-protection-controller",
    "volumeattributesclass-protection": "volumeattributesclass-protection-controller",
    "resourcequota": "resourcequota-controller",
    "namespace": "namespace-controller",
    "validatingadmissionpolicy-status": "validatingadmissionpolicy-status-controller",
    "garbage-collector": "generic-garbage-collector",
}
WITHOUT_EVENTS = frozenset(("namespace", "clusterrole-aggregation", "bootstrap-signer"))
"""Upstream's controllers of these names tell no events, so their roles allow none; ours are told by the manager."""


def client_of(controller: str, manager: Client) -> Client:
    """The client with which this controller writes."""
    if controller not in ACCOUNTS or not isinstance(manager, ActsFor):
        return manager
    account = manager.acting_as(
        f"system:serviceaccount:{NAMESPACE}:{ACCOUNTS[controller]}",
        ("system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}"),
    )
    return AccountClient(account, manager, events=manager if controller in WITHOUT_EVENTS else account)


class AccountClient:
    """Writes, and reads single objects, as an account; lists and watches as the manager."""

    def __init__(self, account: Client, manager: Client, *, events: Client) -> None:
        self._account, self._events = account, events
        self.get, self.update, self.delete = account.get, account.update, account.delete
        self.delete_collection, self.raw, self.close = account.delete_collection, account.raw, account.close
        self.list, self.watch = manager.list, manager.watch

    def create(self, gvr: GVR, *args: Any, **named: Any) -> Coroutine[Any, Any, Object]:
        return (self._events if gvr == EVENTS else self._account).create(gvr, *args, **named)

    def patch(self, gvr: GVR, *args: Any, **named: Any) -> Coroutine[Any, Any, Object]:
        return (self._events if gvr == EVENTS else self._account).patch(gvr, *args, **named)
