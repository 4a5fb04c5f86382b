"""The table of rules: what each looks at, and what it can tell (docs/why.md shows it)."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from pinnace.insight.findings import Finding, Object
from pinnace.insight.rules import (
    admission_policies,
    anything,
    autoscalers,
    budgets,
    claims,
    cluster_nodes,
    control_plane,
    creation,
    extensions,
    forbidden,
    ingresses,
    jobs,
    namespaces,
    network_policies,
    node_facts,
    owners,
    persistent_volumes,
    pod_crashes,
    pod_ends,
    pod_images,
    pod_names,
    pod_readiness,
    pod_references,
    pod_scheduling,
    pod_waits,
    services,
    workloads,
)
from pinnace.insight.world import World

Check = Callable[[Object, World], Iterable[Finding]]


class Rule(NamedTuple):
    check: Check
    kinds: tuple[str, ...]
    tells: str
    patience: int = 0  # seconds for which what is not certain may be just on its way
    is_last: bool = False  # asked only where those before say nothing of the object


ANY: tuple[str, ...] = ("*",)
_POD = ("Pod",)
_SETS = ("ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet")

RULES: dict[str, Rule] = {
    "scheduling-gates": Rule(pod_scheduling.gates, _POD, "scheduling gates that nobody removed"),
    "unschedulable": Rule(pod_scheduling.unschedulable, _POD, "no node fits: resources with numbers and what would fit, taints, selectors and labels that nodes have, cordons, ports, affinity, spread, volumes"),
    "no-scheduler": Rule(pod_scheduling.unseen_by_scheduler, _POD, "no scheduler looked at the pod", 15),
    "image": Rule(pod_images.image, _POD, "wrong name, no such tag, no login, registry down, TLS, pull policy Never"),
    "references": Rule(pod_references.references, _POD, "ConfigMaps, Secrets and keys that are not there"),
    "service-account": Rule(pod_references.account, _POD, "the service account is gone"),
    "claim-missing": Rule(pod_references.claims, _POD, "a PersistentVolumeClaim that is not there"),
    "container-config": Rule(pod_references.configuration, _POD, "containers that cannot be made or started: runAsNonRoot, command not in the image, hooks"),
    "mounts": Rule(pod_references.mounts, _POD, "volumes, devices and sandboxes that the node cannot prepare", 10),
    "attachment": Rule(pod_waits.attachments, _POD, "a volume that is attached elsewhere or cannot be attached, a CSI driver that the node has not"),
    "nominated": Rule(pod_waits.nominated, _POD, "room is made by preemption, and who has to go is not gone", 30),
    "names": Rule(pod_names.names, _POD, "by its log: names that are not found (no such service, the nearest; no name server, or a policy before it), connections to services that are refused"),
    "crash": Rule(pod_crashes.crash, _POD, "exit code, signal, memory limit, failing liveness or startup probe, last lines of the log"),
    "not-ready": Rule(pod_readiness.not_ready, _POD, "readiness probe, readiness gates", 10),
    "forbidden": Rule(forbidden.forbidden, _POD, "requests of its service account that the API server refused, by its log, and the role that would do"),
    "disrupted": Rule(pod_ends.disrupted, _POD, "preempted, evicted, thrown off by a taint, or collected"),
    "init-container": Rule(pod_readiness.init_runs, _POD, "an init container that does not end", 60),
    "pod-failed": Rule(pod_ends.failed, _POD, "evicted, refused by the node, deadline, lost node"),
    "pod-terminating": Rule(pod_ends.terminating, _POD, "node gone or not ready, grace not over, containers that do not end"),
    "finalizers": Rule(pod_ends.finalizers, ANY, "deleted objects that a finalizer holds", 30),
    "creating": Rule(pod_waits.creating, _POD, "its node has it, starts nothing, and does not say why", is_last=True),
    "creation-refused": Rule(creation.refused, (*_SETS, "Job"), "pods that may not be created: quota (also one that leaves no room for a rollout), service account, pod security, webhooks, admission policies, limit ranges, priority class"),
    "paused": Rule(workloads.paused, ("Deployment",), "a paused rollout"),
    "short-of-pods": Rule(workloads.short, ("Deployment", *_SETS), "fewer pods available than wanted; progress deadline"),
    "rollout": Rule(workloads.rollout, ("Deployment",), "a rollout whose new pods do not come, while the old ones serve"),
    "not-observed": Rule(workloads.unobserved, ("Deployment", *_SETS), "no controller acts on it", 30),
    "scaled-to-0": Rule(workloads.scaled_to_nothing, ("Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"), "no pods are wanted"),
    "ordered-pods": Rule(workloads.ordered, ("StatefulSet",), "a pod that is not ready keeps later ones waiting"),
    "governing-service": Rule(workloads.governing_service, ("StatefulSet",), "the service of its pods' names is not there"),
    "no-daemon-node": Rule(workloads.no_node_for_daemons, ("DaemonSet",), "no node fits"),
    "missed-nodes": Rule(workloads.missed_nodes, ("DaemonSet",), "nodes on which it wants no pod, and why"),
    "job-failed": Rule(jobs.job_failed, ("Job",), "back-off limit, deadline, failure policy, failed indexes"),
    "suspended": Rule(jobs.suspended, ("Job", "CronJob"), "suspended"),
    "job-waits": Rule(jobs.job_waits, ("Job",), "pods that do not run", 60),
    "schedule": Rule(jobs.schedule, ("CronJob",), "schedule or time zone that cannot be read, missed times, a job that still runs, a time that went by"),
    "service-endpoints": Rule(services.endpoints, ("Service",), "selector that finds nothing (and what comes nearest), pods not ready, targetPort that no pod has, no endpoints by hand", 30),
    "external-name": Rule(services.external_name, ("Service",), "an address for a name, or a service that is not there"),
    "service-address": Rule(services.address, ("Service",), "no load balancer gives it an address", 60),
    "ingress-class": Rule(ingresses.ingress_class, ("Ingress",), "class that is not there, no default class, no controller", 60),
    "ingress-backend": Rule(ingresses.backend, ("Ingress",), "service or port that is not there"),
    "ingress-conflict": Rule(ingresses.conflict, ("Ingress",), "a host and path that an older ingress has"),
    "ingress-certificate": Rule(ingresses.certificate, ("Ingress",), "secret that is not there or is no certificate, one that is over, or for other hosts"),
    "claim-unbound": Rule(claims.unbound, ("PersistentVolumeClaim",), "no class or default class, provisioner that fails or does not run, no volume that fits and why, waits for a pod, lost volume", 30),
    "volume": Rule(persistent_volumes.volume, ("PersistentVolume",), "released or failed: no claim can have it"),
    "claim-resize": Rule(claims.resize, ("PersistentVolumeClaim",), "an expansion that does not happen"),
    "node-not-ready": Rule(cluster_nodes.not_ready, ("Node",), "silent kubelet with its lease, container runtime, pod network"),
    "node-pressure": Rule(cluster_nodes.pressure, ("Node",), "short of memory, disk, process numbers; network not set up"),
    "node-clock": Rule(node_facts.clock, ("Node",), "a clock that is not the API server's, by the node's lease"),
    "node-version": Rule(node_facts.version, ("Node",), "a kubelet newer than the API server, or too old for it"),
    "cordoned": Rule(cluster_nodes.cordoned, ("Node",), "no new pods go there"),
    "autoscaler": Rule(autoscalers.not_scaling, ("HorizontalPodAutoscaler",), "target not there, no metrics, no requests, target scaled to 0, limit reached", 120),
    "disruption-budget": Rule(budgets.blocks, ("PodDisruptionBudget",), "lets no pod go: drains hang; selector that finds nothing", 30),
    "budgets-overlap": Rule(budgets.overlap, ("PodDisruptionBudget",), "two budgets for one pod: evictions are refused"),
    "network-policy": Rule(network_policies.policy, ("NetworkPolicy",), "shuts off names (port 53), or everything; finds no pod"),
    "namespace-terminating": Rule(namespaces.terminating, ("Namespace",), "what remains, finalizers, an API that does not answer", 30),
    "definition": Rule(extensions.definition, ("CustomResourceDefinition",), "names taken, not established, schema, approval", 15),
    "conversion": Rule(extensions.conversion, ("CustomResourceDefinition",), "a conversion webhook that cannot answer"),
    "api-service": Rule(extensions.api_service, ("APIService",), "an aggregated API that is not available"),
    "webhook": Rule(extensions.webhook, ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"), "its service is not there, has not the port, has no ready pod; its caBundle is no certificate, or over"),
    "admission-policy": Rule(admission_policies.policy, ("ValidatingAdmissionPolicy",), "expressions that do not fit their objects, a policy that is not bound"),
    "policy-binding": Rule(admission_policies.binding, ("ValidatingAdmissionPolicyBinding",), "a policy that is not there, parameters that are not named"),
    "leaders": Rule(control_plane.leaders, ("Lease",), "controllers or scheduler that do not run: their lease is not renewed"),
    "certificate-request": Rule(control_plane.certificate_request, ("CertificateSigningRequest",), "certificates that nobody approves or signs"),
    "owner": Rule(owners.owners, ANY, "an owner that is gone, in another namespace, or another one of the same name", 60),
    "conditions": Rule(anything.conditions, ANY, "of kinds without rules: conditions that say that something is wrong"),
    "warnings": Rule(anything.warnings, ANY, "of kinds without rules: the newest warning"),
}  # fmt: skip
