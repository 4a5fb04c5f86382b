"""What a NetworkPolicy shuts that is easily overlooked."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.insight.commands import patch
from pinnace.insight.findings import CAUSE, NOTE, Finding, Object, field, finding, in_namespace, shown
from pinnace.insight.world import World

_NAMES: Object = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}


def policy(obj: Object, world: World) -> Iterator[Finding]:
    spec, namespace = obj["spec"], meta.namespace(obj)
    selected = world.pods_matching(namespace, spec.get("podSelector"))
    where = field(obj, "spec.podSelector", spec.get("podSelector"))
    if not selected:
        if world.can_list("Pod", namespace):
            yield finding(obj, "its podSelector finds no pod: it does nothing", rank=NOTE, evidence=[where],
                          commands=[f"kubectl get pods{in_namespace(obj)} --show-labels"])  # fmt: skip
        return
    whom = f"pod {meta.name(selected[0])}" if len(selected) == 1 else f"{len(selected)} pods"
    for direction, rules in (("Ingress", "ingress"), ("Egress", "egress")):
        if direction in (spec.get("policyTypes") or ()) and not spec.get(rules):
            word = "into" if direction == "Ingress" else "out of"
            yield finding(obj, f"by itself it lets nothing {word} {whom}", rank=NOTE, evidence=[where, field(obj, f"spec.{rules}", [])],
                          commands=[f"kubectl get networkpolicies{in_namespace(obj)}"])  # fmt: skip
    together = [one for one in world.every("NetworkPolicy", namespace) if _selects_same(one, selected, world)]
    if spec.get("egress") and together and not any(_lets_names(one["spec"]) for one in together):
        yield finding(
            obj, f"it lets {whom} connect to some, but not ask for names (port 53): connections by name fail",
            rank=CAUSE if world.is_asked(obj) else NOTE,
            evidence=[where, field(obj, "spec.egress", shown([one.get("ports") or one.get("to") or {} for one in spec["egress"]]))],
            commands=[patch(obj, [{"op": "add", "path": "/spec/egress/-", "value": _NAMES}], "json")],
        )  # fmt: skip


def _lets_names(spec: Object) -> bool:
    return any(_may_be_53(rule) for rule in spec.get("egress") or ())


def _may_be_53(rule: Object) -> bool:
    ports = rule.get("ports")
    if not ports:
        return not rule.get("to") or any("namespaceSelector" in one or "ipBlock" in one for one in rule["to"])
    return any(one.get("port") in (53, None) or not isinstance(one.get("port"), int) or one["port"] <= 53 <= one.get("endPort", 0) for one in ports)  # fmt: skip


def _selects_same(other: Object, selected: list[Object], world: World) -> bool:
    if "Egress" not in (other["spec"].get("policyTypes") or ()):
        return False
    found = world.pods_matching(meta.namespace(other), other["spec"].get("podSelector"))
    return any(meta.key(one) == meta.key(selected[0]) for one in found)
