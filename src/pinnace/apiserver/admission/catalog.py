"""The admission plugins by name, in upstream's order; which are on by default, and how flags change that."""

from importlib import import_module

from pinnace.apiserver.admission.chain import BasePlugin, Chain
from pinnace.apiserver.config import ApiServerConfig
from pinnace.apiserver.registry.catalog import Registries

# name -> (class below pinnace.apiserver.admission, on by default)
PLUGINS: dict[str, tuple[str, bool]] = {
    "NamespaceLifecycle": ("namespace_lifecycle:NamespaceLifecycle", True),
    "ServiceAccount": ("service_account:ServiceAccount", True),
    "TaintNodesByCondition": ("taint_nodes_by_condition:TaintNodesByCondition", True),
    "Priority": ("priority:Priority", True),
    "DefaultTolerationSeconds": ("default_toleration_seconds:DefaultTolerationSeconds", True),
    "DefaultIngressClass": ("default_ingress_class:DefaultIngressClass", True),
    "NodeRestriction": ("node_restriction:NodeRestriction", False),
    "MutatingAdmissionPolicy": ("mutating_admission_policy:MutatingAdmissionPolicy", True),
    "MutatingAdmissionWebhook": ("mutating_admission_webhook:MutatingAdmissionWebhook", True),
    "ValidatingAdmissionPolicy": ("validating_admission_policy:ValidatingAdmissionPolicy", True),
    "ValidatingAdmissionWebhook": ("validating_admission_webhook:ValidatingAdmissionWebhook", True),
}


def build_chain(config: ApiServerConfig, registries: Registries) -> Chain:
    """Raises ValueError for a name that is no plugin."""
    on, off = set(config.enable_admission_plugins), set(config.disable_admission_plugins)
    for name in on | off:
        if name not in PLUGINS:
            raise ValueError(
                f"admission-control plugin {name!r} is unknown; known: {', '.join(sorted(PLUGINS))}"
            )
    chosen = [
        where for name, (where, default) in PLUGINS.items() if (default or name in on) and name not in off
    ]
    return Chain(_make(where, registries) for where in chosen)


def _make(where: str, registries: Registries) -> BasePlugin:
    module, _, name = where.partition(":")
    plugin: BasePlugin = getattr(import_module(f"pinnace.apiserver.admission.{module}"), name)(registries)
    return plugin
