import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.proxy import conntrack, model, rules


def service(**spec: object) -> dict:
    defaults = {
        "clusterIP": "10.43.0.7",
        "clusterIPs": ["10.43.0.7"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}],
    }
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": {**defaults, **spec}}


def piece(*endpoints: dict, port: int = 8080, name: str = "http", protocol: str = "TCP") -> dict:
    return {
        "addressType": "IPv4",
        "endpoints": list(endpoints),
        "ports": [{"name": name, "port": port, "protocol": protocol}],
    }


def endpoint(ip: str, node: str = "n1", **conditions: bool) -> dict:
    return {"addresses": [ip], "nodeName": node, "conditions": {"ready": True, **conditions}}


def of(svc: dict, *slices: dict) -> rules.Rules:
    return rules.of_ports(model.service_ports(svc, slices, "n1"), "10.42.0.0/16")


def test_ready_endpoints_share_the_traffic() -> None:
    made = of(service(), piece(endpoint("10.42.0.5"), endpoint("10.42.0.6")))
    (verdict,) = (v for (m, _), v in made.elements.items() if m == rules.SERVICES)
    balance = made.chains[verdict.removeprefix("goto ")][-1]
    assert balance.startswith("numgen random mod 2 vmap { 0 : goto endpoint-")
    targets = {rule for body in made.chains.values() for rule in body if "dnat to" in rule}
    assert targets == {"meta l4proto tcp dnat to 10.42.0.5:8080", "meta l4proto tcp dnat to 10.42.0.6:8080"}


def test_without_endpoints_the_port_is_rejected() -> None:
    made = of(
        service(ports=[{"name": "http", "port": 80, "nodePort": 30080}]),
        piece(endpoint("10.42.0.5", ready=False)),
    )
    assert made.elements == {
        (rules.NO_ENDPOINTS, "10.43.0.7 . tcp . 80"): "goto reject-chain",
        (rules.NO_NODE_PORT_ENDPOINTS, "tcp . 30080"): "goto reject-chain",
    }


def test_terminating_endpoints_serve_only_when_no_other_is_ready() -> None:
    last = endpoint("10.42.0.5", ready=False, serving=True, terminating=True)
    assert [e.ip for e in model.service_ports(service(), [piece(last)], "n1")[0].endpoints] == ["10.42.0.5"]
    both = model.service_ports(service(), [piece(last, endpoint("10.42.0.6"))], "n1")[0].endpoints
    assert [e.ip for e in both] == ["10.42.0.6"]


def test_headless_and_external_name_make_no_rules() -> None:
    assert of(service(clusterIP="None", clusterIPs=["None"])) == rules.NOTHING
    assert (
        of(service(type="ExternalName", externalName="x.example", clusterIP="", clusterIPs=[]))
        == rules.NOTHING
    )


def test_local_policies_keep_to_this_node() -> None:
    slices = piece(endpoint("10.42.0.5", "n1"), endpoint("10.42.1.5", "n2"))
    port = model.service_ports(
        service(internalTrafficPolicy="Local", externalTrafficPolicy="Local"), [slices], "n1"
    )[0]
    assert [e.ip for e in port.for_cluster()] == ["10.42.0.5"]
    assert [e.ip for e in port.for_outside()] == ["10.42.0.5"]


def test_session_affinity_has_a_set_per_endpoint_with_its_timeout() -> None:
    made = of(
        service(sessionAffinity="ClientIP", sessionAffinityConfig={"clientIP": {"timeoutSeconds": 60}}),
        piece(endpoint("10.42.0.5")),
    )
    assert [text for text in made.sets.values() if "timeout 60s" in text]
    assert any("update @affinity-" in rule for body in made.chains.values() for rule in body)


def test_host_ports_of_running_pods_lead_to_them() -> None:
    ports = [
        {"containerPort": 80, "hostPort": 8080},
        {"containerPort": 53, "hostPort": 53, "protocol": "UDP", "hostIP": "192.0.2.1"},
    ]
    pod = {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"containers": [{"ports": ports}]},
        "status": {"phase": "Running", "podIP": "10.42.0.9"},
    }
    made = rules.of_host_ports(model.host_ports(pod))
    assert set(made.elements) == {
        (rules.NODE_PORTS, "tcp . 8080"),
        (rules.SERVICES, "192.0.2.1 . udp . 53"),
    }
    assert any("dnat to 10.42.0.9:80" in rule for body in made.chains.values() for rule in body)
    for change in (
        {"status": {"phase": "Running"}},
        {"status": {"phase": "Failed", "podIP": "10.42.0.9"}},
        {"spec": {**pod["spec"], "hostNetwork": True}},
    ):
        assert model.host_ports({**pod, **change}) == ()


def test_udp_flows_to_removed_endpoints_are_stale() -> None:
    svc = service(ports=[{"name": "d", "port": 53, "protocol": "UDP"}])
    old = model.service_ports(svc, [piece(endpoint("10.42.0.5"), name="d", protocol="UDP")], "n1")
    new = model.service_ports(svc, [piece(endpoint("10.42.0.6"), name="d", protocol="UDP")], "n1")
    assert conntrack.stale_flows(old, new) == {("10.43.0.7", "10.42.0.5")}
    empty = model.service_ports(svc, [], "n1")
    assert conntrack.stale_flows(empty, new) == {("10.43.0.7", "")}


def test_nothing_changed_means_no_transaction() -> None:
    made = of(service(), piece(endpoint("10.42.0.5")))
    assert rules.transaction("ip t", made, made) == ""


services_strategy = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d"]),
        st.sets(st.sampled_from(["10.42.0.1", "10.42.0.2", "10.42.0.3"])),
        st.booleans(),
        st.sampled_from([0, 30001, 30002]),
    ),
    max_size=4,
    unique_by=(lambda t: t[0], lambda t: t[3] or t[0]),
)


def state(services: list[tuple[str, set[str], bool, int]]) -> rules.Rules:
    found = []
    for number, (name, ips, sticky, node_port) in enumerate(services):
        spec = {"clusterIP": f"10.43.0.{ord(name)}", "clusterIPs": [f"10.43.0.{ord(name)}"], "sessionAffinity": "ClientIP" if sticky else "None",
                "ports": [{"name": "http", "port": 80 + number, "nodePort": node_port}]}  # fmt: skip
        svc = {"metadata": {"name": name, "namespace": "shop"}, "spec": spec}
        found.append(of(svc, piece(*(endpoint(ip) for ip in sorted(ips)))))
    return rules.merged(found)


def replay(objects: rules.Rules, commands: str) -> rules.Rules:
    """What nft would hold after the commands, by a small model of it; fails on what nft would refuse."""
    chains = {name: list(body) for name, body in objects.chains.items()}
    sets, elements = dict(objects.sets), dict(objects.elements)
    for line in commands.splitlines():
        verb, kind, _, _, name, rest = (*line.split(" ", 5), "")[:6]
        if (verb, kind) == ("add", "set"):
            sets[name] = rest.removeprefix("{ ").removesuffix(" }")
        elif (verb, kind) == ("add", "chain"):
            assert name not in chains
            chains[name] = []
        elif (verb, kind) == ("flush", "chain"):
            chains[name] = []
        elif (verb, kind) == ("add", "rule"):
            chains[name].append(rest)
        elif (verb, kind) == ("delete", "element"):
            del elements[name, rest.removeprefix("{ ").removesuffix(" }")]
        elif (verb, kind) == ("add", "element"):
            key, _, verdict = rest.removeprefix("{ ").removesuffix(" }").partition(" : ")
            assert (name, key) not in elements
            elements[name, key] = verdict
        elif (verb, kind) == ("delete", "chain"):
            assert not any(name in rule for body in chains.values() for rule in body)
            assert not any(name in verdict for verdict in elements.values())
            del chains[name]
        elif (verb, kind) == ("delete", "set"):
            assert not any(f"@{name}" in rule for body in chains.values() for rule in body)
            del sets[name]
    return rules.Rules({name: tuple(body) for name, body in chains.items()}, sets, elements)


@given(services_strategy, services_strategy)
def test_a_transaction_leads_from_any_state_to_any_other(before: list, after: list) -> None:
    old, new = state(before), state(after)
    assert replay(old, rules.transaction("ip t", old, new)) == new


@pytest.mark.skipif(not shutil.which("nft", path="/usr/sbin:/sbin"), reason="nft is not installed")
def test_the_kernel_program_accepts_the_syntax() -> None:
    made = state([("a", {"10.42.0.1", "10.42.0.2"}, True, 30001), ("b", set(), False, 30002)])
    text = rules.base_table("ip pinnace-syntax", "10.42.0.0/16") + rules.transaction(
        "ip pinnace-syntax", rules.NOTHING, made
    )
    done = subprocess.run(
        ["/usr/sbin/nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


HOSTILE = "203.0.113.9 } ; flush ruleset ; #"


def test_text_that_is_no_address_never_reaches_the_rules() -> None:
    """nft reads the rules as root: every address of an object is parsed before it becomes part of them."""
    hostile = service(
        type="LoadBalancer",
        clusterIPs=["10.43.0.7", HOSTILE],
        externalIPs=["203.0.113.7", HOSTILE],
        loadBalancerSourceRanges=["192.0.2.0/24", f"0.0.0.0/0 {HOSTILE}"],
        ports=[{"name": "http", "port": 80, "nodePort": 30080}],
    )
    hostile["status"] = {"loadBalancer": {"ingress": [{"ip": HOSTILE}]}}
    made = of(hostile, piece(endpoint("10.42.0.5"), endpoint(HOSTILE)))
    assert "flush" not in repr(made)
    assert "192.0.2.0/24" in repr(made)
    pod = {
        "metadata": {"name": "p", "namespace": "shop"},
        "spec": {"containers": [{"ports": [{"containerPort": 80, "hostPort": 80, "hostIP": HOSTILE}]}]},
        "status": {"podIP": "10.42.0.9", "phase": "Running"},
    }
    assert model.host_ports(pod) == ()


def test_source_ranges_are_merged_and_of_one_family() -> None:
    def ranges(*given: str, kind: str = "LoadBalancer") -> tuple[str, ...]:
        svc = service(type=kind, loadBalancerSourceRanges=list(given))
        return model.service_ports(svc, (), "n1")[0].source_ranges

    assert ranges("10.0.0.0/8", " 10.1.2.3/16 ", "fd00::/8") == ("10.0.0.0/8",)
    assert ranges("fd00::/8") == (model.NOBODY,)
    assert ranges("10.0.0.0/8", kind="NodePort") == ()


def hinted(ip: str, node: str, zone: str, *, to_node: bool = False, **conditions: bool) -> dict:
    hints = {"forZones": [{"name": zone}], **({"forNodes": [{"name": node}]} if to_node else {})}
    return {**endpoint(ip, node, **conditions), "zone": zone, "hints": hints}


def test_hints_keep_traffic_near() -> None:
    def chosen(*endpoints: dict, zone: str = "z1", **spec: object) -> list[str]:
        (port,) = model.service_ports(service(**spec), [piece(*endpoints)], "n1", zone)
        return [e.ip for e in port.for_cluster()]

    same_zone, other_zone = hinted("10.42.0.5", "n2", "z1"), hinted("10.42.0.6", "n3", "z2")
    assert chosen(same_zone, other_zone) == ["10.42.0.5"]
    assert chosen(same_zone, other_zone, zone="z9") == ["10.42.0.5", "10.42.0.6"]
    assert chosen(same_zone, other_zone, zone="") == ["10.42.0.5", "10.42.0.6"]
    assert chosen(same_zone, endpoint("10.42.0.7")) == ["10.42.0.5", "10.42.0.7"]
    here = hinted("10.42.0.8", "n1", "z1", to_node=True)
    there = hinted("10.42.0.9", "n2", "z1", to_node=True)
    assert chosen(here, there) == ["10.42.0.8"]
    assert chosen({**here, "conditions": {"ready": False}}, there) == ["10.42.0.9"]
    assert chosen(here, there, internalTrafficPolicy="Local") == ["10.42.0.8"]
