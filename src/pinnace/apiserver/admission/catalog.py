"""The admission plugins by name, in upstream's order; which are on by default, and how flags change that."""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any

from pinnace.apiserver.admission.chain import BasePlugin, Chain, Late
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.registry.catalog import Registries

Document = dict[str, Any]
_REQUESTS = "certificatesigningrequests.certificates.k8s.io"
_OF_NODES = "pods nodes serviceaccounts leases.coordination.k8s.io csinodes.storage.k8s.io resourceslices.resource.k8s.io"
_WITH_PODS = (
    "pods namespaces podtemplates replicationcontrollers replicasets.apps deployments.apps statefulsets.apps daemonsets.apps "
    "jobs.batch cronjobs.batch"
)
# name -> (class below pinnace.apiserver.admission, on by default, the resources that concern it: "" all, else with their subresources)
PLUGINS: dict[str, tuple[str, bool, str]] = {
    "AlwaysAdmit": ("small_plugins:AlwaysAdmit", False, ""),
    "NamespaceAutoProvision": ("namespace_plugins:NamespaceAutoProvision", False, ""),
    "NamespaceLifecycle": ("namespace_lifecycle:NamespaceLifecycle", True, ""),
    "NamespaceExists": ("namespace_plugins:NamespaceExists", False, ""),
    "LimitPodHardAntiAffinityTopology": ("small_plugins:LimitPodHardAntiAffinityTopology", False, "pods"),
    "LimitRanger": ("limit_ranger:LimitRanger", True, "pods persistentvolumeclaims"),
    "ServiceAccount": ("service_account:ServiceAccount", True, "pods"),
    "NodeRestriction": ("node_restriction:NodeRestriction", False, _OF_NODES),
    "TaintNodesByCondition": ("taint_nodes_by_condition:TaintNodesByCondition", True, "nodes"),
    "AlwaysPullImages": ("small_plugins:AlwaysPullImages", False, "pods"),
    "PodSecurity": ("pod_security:PodSecurity", True, _WITH_PODS),
    "PodNodeSelector": ("pod_node_selector:PodNodeSelector", False, "pods"),
    "Priority": ("priority:Priority", True, "pods priorityclasses.scheduling.k8s.io"),
    "DefaultTolerationSeconds": ("default_toleration_seconds:DefaultTolerationSeconds", True, "pods"),
    "PodTolerationRestriction": ("pod_toleration_restriction:PodTolerationRestriction", False, "pods"),
    "EventRateLimit": ("event_rate_limit:EventRateLimit", False, "events events.events.k8s.io"),
    "ExtendedResourceToleration": ("small_plugins:ExtendedResourceToleration", False, "pods"),
    "DefaultStorageClass": ("default_storage_class:DefaultStorageClass", True, "persistentvolumeclaims"),
    "StorageObjectInUseProtection": (
        "storage_object_in_use_protection:StorageObjectInUseProtection",
        True,
        "persistentvolumeclaims persistentvolumes volumeattributesclasses.storage.k8s.io",
    ),
    "OwnerReferencesPermissionEnforcement": (
        "owner_references:OwnerReferencesPermissionEnforcement",
        False,
        "",
    ),
    "PersistentVolumeClaimResize": (
        "claim_resize:PersistentVolumeClaimResize",
        True,
        "persistentvolumeclaims",
    ),
    "RuntimeClass": ("runtime_class:RuntimeClass", True, "pods"),
    "CertificateApproval": ("certificates:CertificateApproval", True, _REQUESTS),
    "CertificateSigning": ("certificates:CertificateSigning", True, _REQUESTS),
    "CertificateSubjectRestriction": ("certificates:CertificateSubjectRestriction", True, _REQUESTS),
    "DefaultIngressClass": ("default_ingress_class:DefaultIngressClass", True, "ingresses.networking.k8s.io"),
    "DenyServiceExternalIPs": ("small_plugins:DenyServiceExternalIPs", False, "services"),
    "PodTopologyLabels": ("pod_topology_labels:PodTopologyLabels", True, "pods bindings"),
    # New ones above: policies, webhooks, quota and refusal come last, in this order.
    "MutatingAdmissionPolicy": ("mutating_admission_policy:MutatingAdmissionPolicy", True, ""),
    "MutatingAdmissionWebhook": ("mutating_admission_webhook:MutatingAdmissionWebhook", True, ""),
    "ValidatingAdmissionPolicy": ("validating_admission_policy:ValidatingAdmissionPolicy", True, ""),
    "ValidatingAdmissionWebhook": ("validating_admission_webhook:ValidatingAdmissionWebhook", True, ""),
    "ResourceQuota": ("resource_quota:ResourceQuota", True, ""),
    "AlwaysDeny": ("small_plugins:AlwaysDeny", False, ""),
}


def build_chain(config: ApiServerConfig, registries: Registries) -> Chain:
    """Raises ValueError for a name that is no plugin, and for a configuration that a plugin does not understand."""
    on, off = set(config.enable_admission_plugins), set(config.disable_admission_plugins)
    told: Mapping[str, Document] = {}
    if config.admission_control_config_file is not None:
        from pinnace.apiserver.admission.configuration import load

        told = load(config.admission_control_config_file)
    for name in on | off | set(told):
        if name not in PLUGINS:
            raise ValueError(
                f"admission-control plugin {name!r} is unknown; known: {', '.join(sorted(PLUGINS))}"
            )
    chosen = [
        name for name, (_, default, _) in PLUGINS.items() if (default or name in on) and name not in off
    ]
    plugins = [_plugin(name, registries, told, at_once=name in on | set(told)) for name in chosen]
    return Chain(plugins, registries.clock)


def _plugin(
    name: str, registries: Registries, told: Mapping[str, Document], *, at_once: bool
) -> BasePlugin | Late:
    """What the administrator has chosen or configured is made `at_once`: a mistake must end the start."""
    where, _, resources = PLUGINS[name]
    made = _configured(name, _make(where, registries), told) if at_once or not resources else None
    if made is not None and not resources:
        return made
    return Late(frozenset(resources.split()), partial(_make, where, registries), made)


def _configured(name: str, plugin: BasePlugin, told: Mapping[str, Document]) -> BasePlugin:
    if name in told:
        try:
            plugin.configure(told[name])
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"admission-control plugin {name}: {error}") from None
    elif plugin.needs_configuration:
        raise ValueError(
            f"admission-control plugin {name}: needs a configuration (--admission-control-config-file)"
        )
    return plugin


def _make(where: str, registries: Registries) -> BasePlugin:
    module, _, name = where.partition(":")
    plugin: BasePlugin = getattr(import_module(f"pinnace.apiserver.admission.{module}"), name)(registries)
    return plugin
