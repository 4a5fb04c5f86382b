"""`--feature-gates`: upstream's names, each with the one value that this version has.

No behaviour here can be switched yet, so every gate is locked, as upstream locks a gate that became general or was not begun:
asking for what is there is fine, asking for anything else is refused in upstream's words.
"""

LOCKED = {
    "APIServerTracing": False,
    "AggregatedDiscoveryEndpoint": True,
    "CRDValidationRatcheting": True,
    "CustomResourceFieldSelectors": True,
    "CustomResourceValidationExpressions": True,
    "DeploymentReplicaSetTerminatingReplicas": True,
    "DynamicResourceAllocation": False,
    "ImageVolume": True,
    "InPlacePodVerticalScaling": True,
    "MaxUnavailableStatefulSet": True,
    "MultiCIDRServiceAllocator": True,
    "MutatingAdmissionPolicy": True,
    "OpenAPIV3": True,
    "PodLifecycleSleepAction": True,
    "PodSchedulingReadiness": True,
    "ServerSideApply": True,
    "ServerSideFieldValidation": True,
    "StructuredAuthenticationConfiguration": True,
    "StructuredAuthorizationConfiguration": True,
    "UserNamespacesSupport": False,
    "ValidatingAdmissionPolicy": True,
    "WatchList": True,
}


def parse_gates(text: str) -> dict[str, bool]:
    """`A=true,B=false`; raises ValueError for unknown gates, other values, and gates that have no such value."""
    gates: dict[str, bool] = {}
    for entry in filter(None, text.split(",")):
        name, equals, word = (part.strip() for part in entry.partition("="))
        if not equals:
            raise ValueError(f"missing bool value for {name}")
        if word.lower() not in ("true", "false"):
            raise ValueError(f"invalid value of {name}={word}: must be true or false")
        if name not in LOCKED:
            raise ValueError(f"unrecognized feature gate: {name}")
        value = word.lower() == "true"
        if value != LOCKED[name]:
            locked = str(LOCKED[name]).lower()
            raise ValueError(
                f"cannot set feature gate {name} to {str(value).lower()}, feature is locked to {locked}"
            )
        gates[name] = value
    return gates
