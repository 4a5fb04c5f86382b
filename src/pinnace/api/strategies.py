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
    r.LIMIT_RANGES: "core.limitranges:LimitRangeStrategy",
    r.NAMESPACES: "core.namespaces:NamespaceStrategy",
    r.NODES: "core.node_strategy:NodeStrategy",
    r.POD_TEMPLATES: "core.podtemplates:PodTemplateStrategy",
    r.PERSISTENT_VOLUME_CLAIMS: "core.persistentvolumeclaims:PersistentVolumeClaimStrategy",
    r.PERSISTENT_VOLUMES: "core.persistentvolumes:PersistentVolumeStrategy",
    r.PODS: "core.pod_strategy:PodStrategy",
    r.REPLICATION_CONTROLLERS: "core.replicationcontrollers:ReplicationControllerStrategy",
    r.RESOURCE_QUOTAS: "core.resourcequotas:ResourceQuotaStrategy",
    r.SECRETS: "core.secrets:SecretStrategy",
    r.SERVICES: "core.service_strategy:ServiceStrategy",
    r.MUTATING_ADMISSION_POLICIES: "admissionregistration.policies:MutatingAdmissionPolicyStrategy",
    r.MUTATING_ADMISSION_POLICY_BINDINGS: "admissionregistration.policies:BindingStrategy",
    r.VALIDATING_ADMISSION_POLICIES: "admissionregistration.policies:ValidatingAdmissionPolicyStrategy",
    r.VALIDATING_ADMISSION_POLICY_BINDINGS: "admissionregistration.policies:ValidatingAdmissionPolicyBindingStrategy",
    r.MUTATING_WEBHOOK_CONFIGURATIONS: "admissionregistration.webhooks:MutatingWebhookConfigurationStrategy",
    r.VALIDATING_WEBHOOK_CONFIGURATIONS: "admissionregistration.webhooks:WebhookConfigurationStrategy",
    r.API_SERVICES: "apiregistration.apiservices:APIServiceStrategy",
    r.CONTROLLER_REVISIONS: "apps.controllerrevisions:ControllerRevisionStrategy",
    r.DAEMON_SETS: "apps.daemonsets:DaemonSetStrategy",
    r.DEPLOYMENTS: "apps.deployment_strategy:DeploymentStrategy",
    r.REPLICA_SETS: "apps.replicasets:ReplicaSetStrategy",
    r.STATEFUL_SETS: "apps.statefulsets:StatefulSetStrategy",
    r.SELF_SUBJECT_REVIEWS: "authorization.reviews:ReviewStrategy",
    r.TOKEN_REVIEWS: "authentication.tokens:TokenReviewStrategy",
    r.LOCAL_SUBJECT_ACCESS_REVIEWS: "authorization.reviews:LocalSubjectAccessReviewStrategy",
    r.SELF_SUBJECT_ACCESS_REVIEWS: "authorization.reviews:SelfSubjectAccessReviewStrategy",
    r.SELF_SUBJECT_RULES_REVIEWS: "authorization.reviews:ReviewStrategy",
    r.SUBJECT_ACCESS_REVIEWS: "authorization.reviews:SubjectAccessReviewStrategy",
    r.CUSTOM_RESOURCE_DEFINITIONS: "apiextensions.definitions:CustomResourceDefinitionStrategy",
    r.HORIZONTAL_POD_AUTOSCALERS: "autoscaling.horizontalpodautoscalers:HorizontalPodAutoscalerStrategy",
    r.HORIZONTAL_POD_AUTOSCALERS_V1: "autoscaling.horizontalpodautoscalers:HorizontalPodAutoscalerV1Strategy",
    r.CRON_JOBS: "batch.cronjobs:CronJobStrategy",
    r.JOBS: "batch.jobs:JobStrategy",
    r.CERTIFICATE_SIGNING_REQUESTS: "certificates.certificatesigningrequests:CertificateSigningRequestStrategy",
    r.LEASES: "coordination.leases:LeaseStrategy",
    r.ENDPOINT_SLICES: "discovery.endpointslices:EndpointSliceStrategy",
    r.EVENTS_V1: "core.events:EventV1Strategy",
    r.FLOW_SCHEMAS: "flowcontrol.flowschemas:FlowSchemaStrategy",
    r.PRIORITY_LEVEL_CONFIGURATIONS: "flowcontrol.prioritylevels:PriorityLevelStrategy",
    r.INGRESS_CLASSES: "networking.ingressclasses:IngressClassStrategy",
    r.INGRESSES: "networking.ingresses:IngressStrategy",
    r.IP_ADDRESSES: "networking.ipaddresses:IPAddressStrategy",
    r.NETWORK_POLICIES: "networking.networkpolicies:NetworkPolicyStrategy",
    r.SERVICE_CIDRS: "networking.servicecidrs:ServiceCIDRStrategy",
    r.RUNTIME_CLASSES: "node.runtimeclasses:RuntimeClassStrategy",
    r.POD_DISRUPTION_BUDGETS: "policy.poddisruptionbudgets:PodDisruptionBudgetStrategy",
    r.CLUSTER_ROLE_BINDINGS: "rbac.rolebindings:RoleBindingStrategy",
    r.CLUSTER_ROLES: "rbac.roles:RoleStrategy",
    r.ROLE_BINDINGS: "rbac.rolebindings:RoleBindingStrategy",
    r.ROLES: "rbac.roles:RoleStrategy",
    r.DEVICE_CLASSES: "resource.deviceclasses:DeviceClassStrategy",
    r.RESOURCE_CLAIMS: "resource.claims:ResourceClaimStrategy",
    r.RESOURCE_CLAIM_TEMPLATES: "resource.claims:ResourceClaimTemplateStrategy",
    r.RESOURCE_SLICES: "resource.slices:ResourceSliceStrategy",
    r.CSI_DRIVERS: "storage.csidrivers:CSIDriverStrategy",
    r.CSI_NODES: "storage.csinodes:CSINodeStrategy",
    r.CSI_STORAGE_CAPACITIES: "storage.csistoragecapacities:CSIStorageCapacityStrategy",
    r.STORAGE_CLASSES: "storage.storageclasses:StorageClassStrategy",
    r.VOLUME_ATTACHMENTS: "storage.volumeattachments:VolumeAttachmentStrategy",
    r.VOLUME_ATTRIBUTES_CLASSES: "storage.volumeattributesclasses:VolumeAttributesClassStrategy",
    r.PRIORITY_CLASSES: "scheduling.priorityclasses:PriorityClassStrategy",
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
