"""The admission plugins by name, in upstream's order; which are on by default, and how flags change that."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pinnace.apiserver.admission.chain import BasePlugin, Chain
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.registry.catalog import Registries

Document = dict[str, Any]
# name -> (class below pinnace.apiserver.admission, on by default)
PLUGINS: dict[str, tuple[str, bool]] = {
    "AlwaysAdmit": ("small_plugins:AlwaysAdmit", False),
    "NamespaceAutoProvision": ("namespace_plugins:NamespaceAutoProvision", False),
    "NamespaceLifecycle": ("namespace_lifecycle:NamespaceLifecycle", True),
    "NamespaceExists": ("namespace_plugins:NamespaceExists", False),
    "LimitPodHardAntiAffinityTopology": ("small_plugins:LimitPodHardAntiAffinityTopology", False),
    "LimitRanger": ("limit_ranger:LimitRanger", True),
    "ServiceAccount": ("service_account:ServiceAccount", True),
    "NodeRestriction": ("node_restriction:NodeRestriction", False),
    "TaintNodesByCondition": ("taint_nodes_by_condition:TaintNodesByCondition", True),
    "AlwaysPullImages": ("small_plugins:AlwaysPullImages", False),
    "PodSecurity": ("pod_security:PodSecurity", True),
    "PodNodeSelector": ("pod_node_selector:PodNodeSelector", False),
    "Priority": ("priority:Priority", True),
    "DefaultTolerationSeconds": ("default_toleration_seconds:DefaultTolerationSeconds", True),
    "PodTolerationRestriction": ("pod_toleration_restriction:PodTolerationRestriction", False),
    "EventRateLimit": ("event_rate_limit:EventRateLimit", False),
    "ExtendedResourceToleration": ("small_plugins:ExtendedResourceToleration", False),
    "DefaultStorageClass": ("default_storage_class:DefaultStorageClass", True),
    "StorageObjectInUseProtection": ("storage_object_in_use_protection:StorageObjectInUseProtection", True),
    "OwnerReferencesPermissionEnforcement": ("owner_references:OwnerReferencesPermissionEnforcement", False),
    "PersistentVolumeClaimResize": ("claim_resize:PersistentVolumeClaimResize", True),
    "RuntimeClass": ("runtime_class:RuntimeClass", True),
    "CertificateApproval": ("certificates:CertificateApproval", True),
    "CertificateSigning": ("certificates:CertificateSigning", True),
    "CertificateSubjectRestriction": ("certificates:CertificateSubjectRestriction", True),
    "DefaultIngressClass": ("default_ingress_class:DefaultIngressClass", True),
    "DenyServiceExternalIPs": ("small_plugins:DenyServiceExternalIPs", False),
    "PodTopologyLabels": ("pod_topology_labels:PodTopologyLabels", True),
    # New ones above: policies, webhooks, quota and refusal come last, in this order.
    "MutatingAdmissionPolicy": ("mutating_admission_policy:MutatingAdmissionPolicy", True),
    "MutatingAdmissionWebhook": ("mutating_admission_webhook:MutatingAdmissionWebhook", True),
    "ValidatingAdmissionPolicy": ("validating_admission_policy:ValidatingAdmissionPolicy", True),
    "ValidatingAdmissionWebhook": ("validating_admission_webhook:ValidatingAdmissionWebhook", True),
    "ResourceQuota": ("resource_quota:ResourceQuota", True),
    "AlwaysDeny": ("small_plugins:AlwaysDeny", False),
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
    chosen = [name for name, (_, default) in PLUGINS.items() if (default or name in on) and name not in off]
    plugins = [_configured(name, _make(PLUGINS[name][0], registries), told) for name in chosen]
    return Chain(plugins, registries.clock)


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
