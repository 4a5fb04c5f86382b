"""The table against the words of the documentation, after any history of changes."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pinnace.netpolicy import model, table
from pinnace.netpolicy.enforcement import Enforcement
from properties import examples
from unit.netpolicy.packets import lets_pass
from unit.netpolicy.reference import Flow, World, addresses

Object = dict[str, Any]
NODE = "here"


def pod(name: str, ip: str = "", namespace: str = "a", node: str = NODE, **labels: str) -> Object:
    ips = [{"ip": text} for text in ip.split(",") if text]
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "c"}]},
        "status": {"phase": "Running", "podIPs": ips},
    }


def listening(obj: Object, number: int, name: str, protocol: str = "TCP") -> Object:
    port = {"name": name, "containerPort": number, "protocol": protocol}
    return {**obj, "spec": {**obj["spec"], "containers": [{"name": "c", "ports": [port]}]}}


def policy(name: str = "p", namespace: str = "a", **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, "spec": {"podSelector": {}, **spec}}


def enforced(pods: list[Object], policies: list[Object], **namespaces: dict[str, str]) -> Enforcement:
    made = Enforcement()
    for name, labels in namespaces.items():
        made.set_namespace(name, labels)
    for obj in policies:
        tell_policy(made, obj)
    for obj in pods:
        tell_pod(made, obj)
    return made


def tell_pod(made: Enforcement, obj: Object) -> None:
    made.set_pod((obj["metadata"]["namespace"], obj["metadata"]["name"]), model.pod(obj, NODE))


def tell_policy(made: Enforcement, obj: Object) -> None:
    made.set_policy((obj["metadata"]["namespace"], obj["metadata"]["name"]), model.policy(obj))


def passes(made: Enforcement, source: str, destination: str, port: int = 80, protocol: str = "TCP") -> bool:
    return lets_pass(made.table, Flow(source, destination, protocol, port))


A, B, OUTSIDE = "10.42.0.2", "10.42.0.3", "192.0.2.9"
WEB, CLIENT = pod("web", A, app="web"), pod("client", B, app="client")
FROM_CLIENT = {"from": [{"podSelector": {"matchLabels": {"app": "client"}}}]}
DENY = {"policyTypes": ["Ingress"]}


def test_a_policy_without_rules_closes_a_direction_and_no_other() -> None:
    made = enforced([WEB, CLIENT], [policy(podSelector={"matchLabels": {"app": "web"}}, **DENY)])
    assert not passes(made, B, A)
    assert not passes(made, OUTSIDE, A)
    assert passes(made, A, B)
    assert passes(made, A, A), "a pod always reaches itself"


def test_policies_add_up() -> None:
    made = enforced([WEB, CLIENT], [policy("deny", **DENY), policy("open", ingress=[FROM_CLIENT])])
    assert passes(made, B, A)
    assert not passes(made, OUTSIDE, A)


def test_a_named_port_is_each_pods_own() -> None:
    ports = [{"port": "http"}]
    web, other = listening(WEB, 8080, "http"), listening(pod("other", "10.42.0.4"), 9090, "http")
    made = enforced([web, other, CLIENT], [policy(ingress=[{"ports": ports}])])
    assert passes(made, B, A, 8080)
    assert not passes(made, B, A, 9090)
    assert passes(made, B, "10.42.0.4", 9090)
    assert not passes(made, B, "10.42.0.4", 8080)
    assert not passes(made, B, A, 8080, "UDP")
    made = enforced([web, other, CLIENT], [policy(egress=[{"ports": ports}], policyTypes=["Egress"])])
    assert passes(made, B, A, 8080)
    assert not passes(made, B, A, 9090)
    assert passes(made, B, "10.42.0.4", 9090)


def test_pods_that_ended_or_live_in_the_nodes_network_have_no_part() -> None:
    ended = {**CLIENT, "status": {**CLIENT["status"], "phase": "Succeeded"}}
    on_host = {**CLIENT, "spec": {**CLIENT["spec"], "hostNetwork": True}}
    for client in (ended, on_host):
        made = enforced([WEB, client], [policy(ingress=[FROM_CLIENT])])
        assert not passes(made, B, A)
        made = enforced([client], [policy(**DENY)])
        assert not list(verdicts(made))


def test_a_new_pod_with_the_address_of_one_that_ended_is_judged_by_its_own_policies() -> None:
    old, new = pod("old", A, app="web"), pod("new", A, app="free")
    made = enforced([old], [policy(podSelector={"matchLabels": {"app": "web"}}, **DENY)])
    tell_pod(made, new)
    assert passes(made, B, A)
    made.set_pod(("a", "old"), None)
    assert passes(made, B, A)
    made.set_pod(("a", "new"), None)
    tell_pod(made, old)
    assert not passes(made, B, A)


def test_a_pod_with_two_addresses_is_judged_by_both() -> None:
    web = pod("web", f"{A},fd00:42::2", app="web")
    client = pod("client", f"{B},fd00:42::3", app="client")
    made = enforced(
        [web, client], [policy(ingress=[FROM_CLIENT], podSelector={"matchLabels": {"app": "web"}})]
    )
    assert passes(made, "fd00:42::3", "fd00:42::2")
    assert passes(made, B, A)
    assert not passes(made, "fd00:42::4", "fd00:42::2")


def test_pods_of_other_nodes_are_peers_and_not_judged() -> None:
    made = enforced([pod("web", A, node="there"), CLIENT], [policy(**DENY)])
    assert [v.ip for v in verdicts(made)] == [B]


def test_namespaces_are_chosen_by_their_labels_of_the_moment() -> None:
    far = pod("far", "10.42.0.9", namespace="b")
    rule = {"from": [{"namespaceSelector": {"matchLabels": {"team": "x"}}}]}
    made = enforced([WEB, far], [policy(ingress=[rule])], a={}, b={})
    assert not passes(made, "10.42.0.9", A)
    made.set_namespace("b", {"team": "x"})
    assert passes(made, "10.42.0.9", A)
    made.set_namespace("b", {"team": "y"})
    assert not passes(made, "10.42.0.9", A)


def test_what_is_not_an_address_or_a_port_name_never_becomes_a_rule() -> None:
    evil = "1.2.3.4 } ; flush ruleset"
    assert model.pod(pod("x", evil), NODE) is None
    rule = {"from": [{"ipBlock": {"cidr": evil}}], "ports": [{"port": evil}]}
    made = enforced([WEB], [policy(ingress=[rule])])
    assert not passes(made, OUTSIDE, A)
    assert evil not in repr(made.table.entries)


def test_a_change_of_one_pod_touches_what_speaks_of_it_only() -> None:
    pods = [pod(f"web-{n}", f"10.42.1.{n}", app=f"app-{n % 5}") for n in range(100)]
    rules = [{"from": [{"podSelector": {"matchLabels": {"app": f"app-{n}"}}}]} for n in range(5)]
    policies = [
        policy(f"p{n}", podSelector={"matchLabels": {"app": f"app-{n}"}}, ingress=rules) for n in range(5)
    ]
    made = enforced(pods, policies)
    made.table.take_changes()
    tell_pod(made, pod("web-100", "10.42.1.100", app="app-0"))
    changes = made.table.take_changes()
    assert {type(entry) for entry in changes} == {table.Element, table.Verdict, table.Isolated}
    assert len(changes) == 3
    tell_pod(made, pod("web-100", "10.42.1.100", app="app-0"))
    assert not made.table.has_changes


def test_nothing_is_left_when_all_is_taken_away() -> None:
    everything = [
        policy(f"p{n}", ingress=[{**FROM_CLIENT, "ports": [{"port": "http"}]}], egress=[{}]) for n in range(3)
    ]
    web = listening(WEB, 80, "http")
    made = enforced([web, CLIENT], everything, a={})
    assert len(made.table.entries) > 8
    for n in range(3):
        made.set_policy(("a", f"p{n}"), None)
    assert made.table.entries == {}


def verdicts(made: Enforcement) -> Iterator[table.Verdict]:
    return (entry for entry in made.table if isinstance(entry, table.Verdict))


# -- any world, after any history --

LABELS = st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["x", "y"]), max_size=2)
NAMESPACES = st.sampled_from(["a", "b", "c"])
IPS = st.sampled_from([f"10.42.0.{n}" for n in range(1, 7)] + [f"fd00::{n}" for n in range(1, 4)])
CIDRS = st.sampled_from(["10.42.0.0/29", "0.0.0.0/0", "10.42.0.2/31", "fd00::/126", "::/0", "192.0.2.0/24"])
HOLES = st.lists(st.sampled_from(["10.42.0.4/30", "10.42.0.1/32", "fd00::2/127"]), max_size=2)
EXPRESSION = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["app", "tier"]),
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.just(["x"]),
    }
) | st.fixed_dictionaries(
    {"key": st.sampled_from(["app", "tier"]), "operator": st.sampled_from(["Exists", "DoesNotExist"])}
)
SELECTOR = (
    st.just({})
    | LABELS.map(lambda labels: {"matchLabels": labels})
    | EXPRESSION.map(lambda expression: {"matchExpressions": [expression]})
)
BLOCK = st.builds(lambda cidr, holes: {"ipBlock": {"cidr": cidr, "except": holes}}, CIDRS, HOLES)
PEER = st.one_of(
    BLOCK,
    BLOCK,
    SELECTOR.map(lambda chosen: {"podSelector": chosen}),
    SELECTOR.map(lambda chosen: {"namespaceSelector": chosen}),
    st.builds(lambda pods, spaces: {"podSelector": pods, "namespaceSelector": spaces}, SELECTOR, SELECTOR),
)
PROTOCOL = st.sampled_from(["TCP", "UDP", "SCTP"])
PORT = (
    st.builds(lambda protocol: {"protocol": protocol}, PROTOCOL)
    | st.builds(
        lambda number, protocol: {"port": number, "protocol": protocol}, st.integers(79, 83), PROTOCOL
    )
    | st.builds(
        lambda first, more: {"port": first, "endPort": first + more}, st.integers(79, 82), st.integers(0, 3)
    )
    | st.builds(
        lambda name, protocol: {"port": name, "protocol": protocol},
        st.sampled_from(["http", "dns"]),
        PROTOCOL,
    )
)


def rules(peers: str) -> st.SearchStrategy[list[Object]]:
    """Mostly with something in them."""
    some = st.lists(PEER, min_size=1, max_size=2)
    ports = st.lists(PORT, min_size=1, max_size=2)
    full = st.fixed_dictionaries({peers: some}) | st.fixed_dictionaries({peers: some, "ports": ports})
    bare = st.sampled_from([{}, {peers: [], "ports": []}]) | st.fixed_dictionaries({"ports": ports})
    return st.lists(st.one_of(full, full, bare), min_size=1, max_size=2)


INGRESS, EGRESS = rules("from"), rules("to")
SPECS = st.one_of(
    st.fixed_dictionaries({"ingress": INGRESS}),
    st.fixed_dictionaries({"egress": EGRESS}, optional={"policyTypes": st.just(["Egress"])}),
    st.fixed_dictionaries({"ingress": INGRESS, "egress": EGRESS}),
    st.fixed_dictionaries(
        {"policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]])},
        optional={"ingress": INGRESS, "egress": EGRESS},
    ),
)
TARGETS = st.just({}) | st.sampled_from("xy").map(lambda value: {"matchLabels": {"app": value}}) | SELECTOR
POLICY = st.builds(
    lambda name, namespace, target, spec: policy(name, namespace, **{"podSelector": target, **spec}),
    st.sampled_from(["p", "q"]), st.sampled_from("aaabc"), TARGETS, SPECS,
)  # fmt: skip
NAMED_PORT = st.builds(
    lambda name, number, protocol: {"name": name, "containerPort": number, "protocol": protocol},
    st.sampled_from(["http", "dns"]), st.integers(79, 83), PROTOCOL,
)  # fmt: skip


@st.composite
def pod_objects(draw: st.DrawFn) -> Object:
    name, namespace = draw(st.sampled_from(["u", "v", "w"])), draw(NAMESPACES)
    own = {
        f"{namespace}{name}": n for n, (namespace, name) in enumerate((s, p) for s in "abc" for p in "uvw")
    }
    number = own[f"{namespace}{name}"] + 1  # an address belongs to one pod
    ips = draw(st.sampled_from(["", f"10.42.0.{number}", f"10.42.0.{number},fd00::{number}"]))
    made = pod(name, ips, namespace, draw(st.sampled_from([NODE, "there"])), **draw(LABELS))
    made["spec"]["containers"][0]["ports"] = draw(st.lists(NAMED_PORT, max_size=2))
    if draw(st.integers(0, 9)) == 0:
        made["spec"]["hostNetwork"] = True
    if draw(st.integers(0, 9)) == 0:
        made["status"]["phase"] = "Failed"
    return made


FIRST_PODS = [
    listening(pod(name, f"10.42.0.{1 + 3 * row + column}", namespace, app="xy"[column % 2]), 80, "http")
    for row, namespace in enumerate("ab")
    for column, name in enumerate("uvw")
]
CHANGE = st.one_of(
    st.tuples(st.just("pod"), pod_objects()),
    st.tuples(st.just("policy"), POLICY),
    st.tuples(st.just("namespace"), st.tuples(NAMESPACES, LABELS)),
    st.tuples(st.just("no pod"), st.tuples(NAMESPACES, st.sampled_from("uvw"))),
    st.tuples(st.just("no policy"), st.tuples(NAMESPACES, st.sampled_from("pq"))),
)
SERVICE = st.tuples(st.sampled_from(["TCP", "UDP", "SCTP"]), st.integers(78, 84)) | st.just(("ICMP", 0))


class History:
    """The objects as they are, and the enforcement that heard of each change."""

    def __init__(self) -> None:
        self.made = Enforcement()
        self.pods: dict[tuple[str, str], Object] = {}
        self.policies: dict[tuple[str, str], Object] = {}
        self.namespaces: dict[str, dict[str, str]] = {name: {} for name in "abc"}
        for name in "abc":
            self.made.set_namespace(name, {})

    def hear(self, kind: str, what: Any) -> None:
        match kind:
            case "pod":
                self.pods[what["metadata"]["namespace"], what["metadata"]["name"]] = what
                tell_pod(self.made, what)
            case "policy":
                self.policies[what["metadata"]["namespace"], what["metadata"]["name"]] = what
                tell_policy(self.made, what)
            case "namespace":
                self.namespaces[what[0]] = what[1]
                self.made.set_namespace(*what)
            case "no pod":
                self.pods.pop(what, None)
                self.made.set_pod(what, None)
            case "no policy":
                self.policies.pop(what, None)
                self.made.set_policy(what, None)


@examples(150)
@given(
    st.lists(POLICY, min_size=1, max_size=3),
    st.lists(CHANGE, max_size=20),
    st.lists(SERVICE, min_size=2, max_size=3),
)
def test_any_history_ends_in_what_the_documentation_says(
    policies: list[Object], changes: list[Any], services: list[tuple[str, int]]
) -> None:
    history = History()
    changes = [*(("pod", obj) for obj in FIRST_PODS), *(("policy", obj) for obj in policies), *changes]
    kernel: dict[Any, Any] = {}
    for change in changes:
        history.hear(*change)
        for entry, (before, now) in history.made.table.take_changes().items():
            assert kernel.get(entry) == before
            kernel[entry] = now
    pods, policies = list(history.pods.values()), list(history.policies.values())
    world = World(pods, history.namespaces, policies, NODE)
    ends = [ip for obj in pods for ip in addresses(obj)] + [OUTSIDE]
    for source, destination in product(ends, ends):
        for protocol, port in services:
            flow = Flow(source, destination, protocol, port)
            assert lets_pass(history.made.table, flow) == world.allows(flow), flow
    afresh = enforced(pods, policies, **history.namespaces)
    assert afresh.table.entries == history.made.table.entries
    assert {entry: value for entry, value in kernel.items() if value is not None} == afresh.table.entries
