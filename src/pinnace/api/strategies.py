"""Which strategy serves which resource: one row each, its module imported at first use so that start-up stays fast.

A resource without a row gets the generic `Strategy`.
"""

from functools import cache
from importlib import import_module

from pinnace.api import resources as r
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.gvk import GVR

_CLASSES: dict[GVR, str] = {
    r.BINDINGS: "core.bindings:BindingStrategy",
    r.CONFIG_MAPS: "core.configmaps:ConfigMapStrategy",
    r.ENDPOINTS: "core.endpoints:EndpointsStrategy",
    r.EVENTS: "core.events:EventStrategy",
    r.NAMESPACES: "core.namespaces:NamespaceStrategy",
    r.NODES: "core.node_strategy:NodeStrategy",
    r.PODS: "core.pod_strategy:PodStrategy",
    r.SECRETS: "core.secrets:SecretStrategy",
    r.SERVICES: "core.service_strategy:ServiceStrategy",
    r.MUTATING_ADMISSION_POLICIES: "admissionregistration.policies:MutatingAdmissionPolicyStrategy",
    r.MUTATING_ADMISSION_POLICY_BINDINGS: "admissionregistration.policies:BindingStrategy",
    r.VALIDATING_ADMISSION_POLICIES: "admissionregistration.policies:ValidatingAdmissionPolicyStrategy",
    r.VALIDATING_ADMISSION_POLICY_BINDINGS: "admissionregistration.policies:ValidatingAdmissionPolicyBindingStrategy",
    r.MUTATING_WEBHOOK_CONFIGURATIONS: "admissionregistration.webhooks:MutatingWebhookConfigurationStrategy",
    r.VALIDATING_WEBHOOK_CONFIGURATIONS: "admissionregistration.webhooks:WebhookConfigurationStrategy",
    r.CONTROLLER_REVISIONS: "apps.controllerrevisions:ControllerRevisionStrategy",
    r.DAEMON_SETS: "apps.daemonsets:DaemonSetStrategy",
    r.DEPLOYMENTS: "apps.deployment_strategy:DeploymentStrategy",
    r.REPLICA_SETS: "apps.replicasets:ReplicaSetStrategy",
    r.SELF_SUBJECT_REVIEWS: "authorization.reviews:ReviewStrategy",
    r.TOKEN_REVIEWS: "authentication.tokens:TokenReviewStrategy",
    r.LOCAL_SUBJECT_ACCESS_REVIEWS: "authorization.reviews:LocalSubjectAccessReviewStrategy",
    r.SELF_SUBJECT_ACCESS_REVIEWS: "authorization.reviews:SelfSubjectAccessReviewStrategy",
    r.SELF_SUBJECT_RULES_REVIEWS: "authorization.reviews:ReviewStrategy",
    r.SUBJECT_ACCESS_REVIEWS: "authorization.reviews:SubjectAccessReviewStrategy",
    r.LEASES: "coordination.leases:LeaseStrategy",
    r.ENDPOINT_SLICES: "discovery.endpointslices:EndpointSliceStrategy",
    r.EVENTS_V1: "core.events:EventV1Strategy",
    r.INGRESS_CLASSES: "networking.ingressclasses:IngressClassStrategy",
    r.INGRESSES: "networking.ingresses:IngressStrategy",
    r.POD_DISRUPTION_BUDGETS: "policy.poddisruptionbudgets:PodDisruptionBudgetStrategy",
    r.CLUSTER_ROLE_BINDINGS: "rbac.rolebindings:RoleBindingStrategy",
    r.CLUSTER_ROLES: "rbac.roles:RoleStrategy",
    r.ROLE_BINDINGS: "rbac.rolebindings:RoleBindingStrategy",
    r.ROLES: "rbac.roles:RoleStrategy",
}


@cache
def strategy_for(gvr: GVR) -> Strategy:
    """The one strategy object of a resource of the table; raises KeyError for any other."""
    resource = r.BY_GVR[gvr]
    where = _CLASSES.get(gvr)
    if where is None:
        return Strategy(resource)
    module, _, name = where.partition(":")
    strategy: Strategy = getattr(import_module(f"pinnace.api.{module}"), name)(resource)
    return strategy
