"""The flow schemas and priority levels of every cluster: mandatory ones, whose specs are fixed, and suggested ones.

Facts: https://github.com/kubernetes/apiserver/blob/master/pkg/apis/flowcontrol/bootstrap/default.go
"""

from typing import Any

from pinnace.api.meta import Object

GROUP_VERSION = "flowcontrol.apiserver.k8s.io/v1"
AUTO_UPDATE = "apf.kubernetes.io/autoupdate-spec"
EXEMPT, CATCH_ALL = "exempt", "catch-all"
_ALL = ["*"]
_EVERYBODY = ("Group:system:unauthenticated", "Group:system:authenticated")
_SYSTEM_ACCOUNTS = "ServiceAccount:*"
_MANAGER, _SCHEDULER = "User:system:kube-controller-manager", "User:system:kube-scheduler"

# name -> (shares, percent that may be lent, (queues, hand size, length limit) or None for rejection)
_LIMITED: dict[str, tuple[int, int, tuple[int, int, int] | None]] = {
    CATCH_ALL: (5, 0, None),
    "system": (30, 33, (64, 6, 50)),
    "node-high": (40, 25, (64, 6, 50)),
    "leader-election": (10, 0, (16, 4, 50)),
    "workload-high": (40, 50, (128, 6, 50)),
    "workload-low": (100, 90, (128, 6, 50)),
    "global-default": (20, 50, (128, 6, 50)),
}


def _rule(verbs: str, group: str, resources: str, *, cluster: bool = False) -> Object:
    rule: Object = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**rule, "namespaces": list(_ALL), **({"clusterScope": True} if cluster else {})}


_EVERYTHING = {
    "resourceRules": [_rule("*", "*", "*", cluster=True)],
    "nonResourceRules": [{"verbs": list(_ALL), "nonResourceURLs": list(_ALL)}],
}
_LOCKS = _rule("get create update", "coordination.k8s.io", "leases")
_OLD_LOCKS = _rule("get create update", "", "endpoints configmaps")
_NODE_RULES = [
    _rule("*", "", "nodes nodes/status", cluster=True), _rule("*", "coordination.k8s.io", "leases"),
]  # fmt: skip
_PROBES = {"nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]}

# name -> (priority level, precedence, distinguisher, subjects, rules)
_SCHEMAS: dict[str, tuple[str, int, str, tuple[str, ...], Object]] = {
    EXEMPT: (EXEMPT, 1, "", ("Group:system:masters",), _EVERYTHING),
    CATCH_ALL: (CATCH_ALL, 10000, "ByUser", _EVERYBODY, _EVERYTHING),
    "probes": (EXEMPT, 2, "", _EVERYBODY, _PROBES),
    "system-leader-election": (
        "leader-election", 100, "ByUser", (_MANAGER, _SCHEDULER, _SYSTEM_ACCOUNTS), {"resourceRules": [_LOCKS]}
    ),
    "endpoint-controller": (
        "workload-high", 150, "ByUser",
        (_MANAGER, "ServiceAccount:endpoint-controller", "ServiceAccount:endpointslicemirroring-controller"),
        {"resourceRules": [_rule("get create update", "", "endpoints")]},
    ),
    "workload-leader-election": (
        "leader-election", 200, "ByUser", (_SYSTEM_ACCOUNTS,), {"resourceRules": [_OLD_LOCKS, _LOCKS]}
    ),
    "system-node-high": ("node-high", 400, "ByUser", ("Group:system:nodes",), {"resourceRules": _NODE_RULES}),
    "system-nodes": ("system", 500, "ByUser", ("Group:system:nodes",), _EVERYTHING),
    "kube-controller-manager": ("workload-high", 800, "ByNamespace", (_MANAGER,), _EVERYTHING),
    "kube-scheduler": ("workload-high", 800, "ByNamespace", (_SCHEDULER,), _EVERYTHING),
    "kube-system-service-accounts": ("workload-high", 900, "ByNamespace", (_SYSTEM_ACCOUNTS,), _EVERYTHING),
    "service-accounts": ("workload-low", 9000, "ByUser", ("Group:system:serviceaccounts",), _EVERYTHING),
    "global-default": ("global-default", 9900, "ByUser", _EVERYBODY, _EVERYTHING),
}  # fmt: skip
MANDATORY = frozenset((EXEMPT, CATCH_ALL))


def _subject(text: str) -> Object:
    kind, _, name = text.partition(":")
    if kind == "ServiceAccount":
        return {"kind": kind, "serviceAccount": {"namespace": "kube-system", "name": name}}
    return {"kind": kind, kind.lower(): {"name": name}}


def level_spec(name: str) -> Object:
    if name == EXEMPT:
        return {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    shares, lendable, queues = _LIMITED[name]
    response: dict[str, Any] = {"type": "Reject"}
    if queues is not None:
        queuing = dict(zip(("queues", "handSize", "queueLengthLimit"), queues, strict=True))
        response = {"type": "Queue", "queuing": queuing}
    limited = {"nominalConcurrencyShares": shares, "lendablePercent": lendable, "limitResponse": response}
    return {"type": "Limited", "limited": limited}


def schema_spec(name: str) -> Object:
    level, precedence, distinguisher, subjects, rules = _SCHEMAS[name]
    spec: Object = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence}
    if distinguisher:
        spec["distinguisherMethod"] = {"type": distinguisher}
    return {**spec, "rules": [{"subjects": [_subject(text) for text in subjects], **rules}]}


def _object(kind: str, name: str, spec: Object) -> Object:
    metadata = {"name": name, "generation": 1, "annotations": {AUTO_UPDATE: "true"}}
    return {"kind": kind, "apiVersion": GROUP_VERSION, "metadata": metadata, "spec": spec, "status": {}}


def levels() -> list[Object]:
    names = (EXEMPT, *_LIMITED)
    return [_object("PriorityLevelConfiguration", name, level_spec(name)) for name in names]


def schemas() -> list[Object]:
    return [_object("FlowSchema", name, schema_spec(name)) for name in _SCHEMAS]


def keeps_up_to_date(stored: Object, name: str) -> bool:
    """Whether the server writes its own spec over the stored one: always for mandatory objects, for suggested ones as the
    annotation says, and without it while nobody has changed the spec."""
    marked = (stored["metadata"].get("annotations") or {}).get(AUTO_UPDATE)
    if name in MANDATORY or marked == "true":
        return True
    return marked is None and stored["metadata"].get("generation") == 1
