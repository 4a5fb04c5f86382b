import itertools
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.proxy import conntrack, model, rules
from pinnace.proxy.families import IPV4, IPV6, Family


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
    balance = made.chains[verdict.removeprefix("goto ")][1:]
    assert balance == (
        "numgen random mod 2 0 meta l4proto tcp dnat to 10.42.0.5:8080",
        "meta l4proto tcp dnat to 10.42.0.6:8080",
    )


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
        (rules.HOST_PORTS, "tcp . 8080"),
        (rules.SERVICES, "192.0.2.1 . udp . 53"),
        (rules.HAIRPINS, "10.42.0.9 . 10.42.0.9"),
    }
    assert any("dnat to 10.42.0.9:80" in rule for body in made.chains.values() for rule in body)
    for change in (
        {"status": {"phase": "Running"}},
        {"status": {"phase": "Failed", "podIP": "10.42.0.9"}},
        {"spec": {**pod["spec"], "hostNetwork": True}},
    ):
        assert model.host_ports({**pod, **change}) == ()


def test_udp_flows_to_removed_endpoints_are_stale() -> None:
    svc = service(ports=[{"name": "d", "port": 80, "protocol": "UDP"}])
    old = model.service_ports(svc, [piece(endpoint("10.42.0.5"), name="d", protocol="UDP")], "n1")
    new = model.service_ports(svc, [piece(endpoint("10.42.0.6"), name="d", protocol="UDP")], "n1")
    assert conntrack.stale_flows(old, new) == {conntrack.Flows(IPV4, "10.43.0.7", 80, "10.42.0.5")}
    empty = model.service_ports(svc, [], "n1")
    every = {conntrack.Flows(IPV4, "10.43.0.7", 80)}
    assert conntrack.stale_flows(empty, new) == every
    assert conntrack.stale_flows(old, empty) == every
    assert conntrack.stale_flows(old, []) == every
    assert conntrack.stale_flows(empty, []) == set()


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
            assert elements.get((name, key), verdict) == verdict
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


def full(family: Family) -> rules.Rules:
    """A Service and a pod with everything that makes rules, of one family."""
    v6 = family is IPV6
    ips = [f"fd42::{n:x}" if v6 else f"10.42.0.{n}" for n in range(1, 11)]
    own, outside, balancer = (
        ("fd43::7", "fd99::1", "fd99::2") if v6 else ("10.43.0.7", "192.0.2.1", "192.0.2.2")
    )
    found = []
    for sticky, local, protocol, count in itertools.product(
        (True, False), (True, False), ("TCP", "SCTP"), (0, 2, 10)
    ):
        name = f"s-{sticky}-{local}-{protocol}-{count}".lower()
        port = {"name": "p", "port": 80, "protocol": protocol, "nodePort": 30000 + len(found)}
        svc = service(
            type="LoadBalancer", clusterIP=own, clusterIPs=[own], externalIPs=[outside], ports=[port],
            sessionAffinity="ClientIP" if sticky else "None", loadBalancerSourceRanges=["10.0.0.0/8", "fd00::/8"],
            **({"externalTrafficPolicy": "Local", "internalTrafficPolicy": "Local"} if local else {}),
        )  # fmt: skip
        svc["metadata"]["name"] = name
        svc["status"] = {"loadBalancer": {"ingress": [{"ip": balancer, "ipMode": "VIP"}]}}
        slices = piece(*map(endpoint, ips[:count]), name="p", protocol=protocol)
        slices["addressType"] = family.name
        made = model.service_ports(svc, [slices], "n1", family=family)
        found.append(rules.of_ports(made, "fd42::/56" if v6 else "10.42.0.0/16", family))
    pod = {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {
            "containers": [
                {"ports": [{"containerPort": 80, "hostPort": 8080, "hostIP": ip} for ip in (own, "")]}
            ]
        },
        "status": {"phase": "Running", "podIPs": [{"ip": ips[0]}]},
    }
    return rules.merged([*found, rules.of_host_ports(model.host_ports(pod, family), family)])


@pytest.mark.skipif(not shutil.which("nft", path="/usr/sbin:/sbin"), reason="nft is not installed")
@pytest.mark.parametrize("family", [IPV4, IPV6], ids=lambda family: family.name)
def test_the_kernel_program_accepts_the_syntax(family: Family) -> None:
    made = full(family)
    assert "10.4" not in repr(made) or family is IPV4
    words = f"{family.word} pinnace-syntax"
    text = rules.base_table("pinnace-syntax", "fd42::/56" if family is IPV6 else "10.42.0.0/16", family)
    text += rules.transaction(words, rules.NOTHING, made) + rules.transaction(words, made, rules.NOTHING)
    done = subprocess.run(
        ["/usr/sbin/nft", "-c", "-f", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_sctp_is_treated_as_tcp_is() -> None:
    svc = service(ports=[{"name": "s", "port": 80, "protocol": "SCTP", "nodePort": 30080}])
    made = of(svc, piece(endpoint("10.42.0.5"), name="s", protocol="SCTP"))
    assert (rules.SERVICES, "10.43.0.7 . sctp . 80") in made.elements
    assert (rules.NODE_PORTS, "sctp . 30080") in made.elements
    assert any(
        "meta l4proto sctp dnat to 10.42.0.5:8080" in rule for body in made.chains.values() for rule in body
    )


def test_a_service_of_two_families_has_rules_in_each() -> None:
    svc = service(clusterIPs=["10.43.0.7", "FD43:0::7"])
    six = {**piece(endpoint("fd42::5")), "addressType": "IPv6"}
    slices = [piece(endpoint("10.42.0.5")), six]
    (four,) = model.service_ports(svc, slices, "n1")
    (other,) = model.service_ports(svc, slices, "n1", family=IPV6)
    assert (four.cluster_ips, [e.ip for e in four.endpoints]) == (("10.43.0.7",), ["10.42.0.5"])
    assert (other.cluster_ips, [e.ip for e in other.endpoints]) == (("fd43::7",), ["fd42::5"])
    made = rules.of_ports([other], "fd42::/56", IPV6)
    assert "meta l4proto tcp dnat to [fd42::5]:8080" in made.chains[rules.chain_name("service", other.label)]
    assert not any(":" in name for name in made.chains)


def test_a_zone_is_no_part_of_an_address() -> None:
    assert IPV6.address("fe80::1%} ; flush ruleset") == ""
    assert IPV6.ranges(["fd00::/8", "fe80::1%x/64"]) == ("fd00::/8",)


def test_a_node_without_endpoints_of_its_own_is_silent_where_others_have_some() -> None:
    svc = service(
        internalTrafficPolicy="Local", externalTrafficPolicy="Local", type="NodePort",
        ports=[{"name": "http", "port": 80, "nodePort": 30080}],
    )  # fmt: skip
    elsewhere = of(svc, piece(endpoint("10.42.1.5", "n2")))
    assert elsewhere.elements[rules.NO_ENDPOINTS, "10.43.0.7 . tcp . 80"] == rules.DROP
    assert elsewhere.elements[rules.NO_NODE_PORT_ENDPOINTS, "tcp . 30080"] == rules.DROP
    nowhere = of(svc)
    assert set(nowhere.elements.values()) == {rules.REJECT}


def test_what_comes_from_the_cluster_reaches_every_endpoint_in_spite_of_the_local_policy() -> None:
    svc = service(externalTrafficPolicy="Local", externalIPs=["192.0.2.7"])
    made = of(svc, piece(endpoint("10.42.1.5", "n2")))
    external = made.chains[next(name for name in made.chains if name.startswith("external-"))]
    everybody = next(name for name in made.chains if name.startswith("cluster-"))
    assert external == (
        f"ip saddr 10.42.0.0/16 goto {everybody}",
        "fib saddr type local jump mark-for-masquerade",
        f"fib saddr type local goto {everybody}",
    )
    assert made.chains[everybody] == ("meta l4proto tcp dnat to 10.42.1.5:8080",)


def test_local_endpoints_that_end_serve_as_long_as_no_other_of_this_node_does() -> None:
    ending = endpoint("10.42.0.5", ready=False, serving=True, terminating=True)
    remote = endpoint("10.42.1.5", "n2")
    (port,) = model.service_ports(service(externalTrafficPolicy="Local"), [piece(ending, remote)], "n1")
    assert [e.ip for e in port.for_outside()] == ["10.42.0.5"]
    assert [e.ip for e in port.for_cluster()] == ["10.42.1.5"]


def test_source_ranges_are_for_the_load_balancer_and_not_for_external_addresses() -> None:
    svc = service(
        type="LoadBalancer", externalIPs=["192.0.2.7"], loadBalancerSourceRanges=["198.51.100.0/24"]
    )
    svc["status"] = {
        "loadBalancer": {"ingress": [{"ip": "192.0.2.8"}, {"ip": "192.0.2.9", "ipMode": "Proxy"}]}
    }
    made = of(svc, piece(endpoint("10.42.0.5")))
    (drop,) = (rule for body in made.chains.values() for rule in body if rule.endswith(" drop"))
    assert drop == "ip daddr 192.0.2.8 ip saddr != 198.51.100.0/24 drop"
    assert (rules.SERVICES, "192.0.2.9 . tcp . 80") not in made.elements


def test_flows_of_node_ports_and_of_lost_addresses_are_forgotten() -> None:
    def ports(*slices: dict, **spec: object) -> tuple[model.ServicePort, ...]:
        port = {"name": "d", "port": 53, "protocol": "UDP", "nodePort": 30053}
        svc = service(**{"ports": [port], "externalIPs": ["192.0.2.7"], **spec})
        return model.service_ports(svc, slices, "n1")

    def slice_of(*endpoints: dict) -> dict:
        return piece(*endpoints, name="d", protocol="UDP")

    old = ports(slice_of(endpoint("10.42.0.5"), endpoint("10.42.0.6")))
    assert conntrack.stale_flows(old, ports(slice_of(endpoint("10.42.0.6")))) == {
        conntrack.Flows(IPV4, address, port, "10.42.0.5")
        for address, port in (("10.43.0.7", 53), ("192.0.2.7", 53), ("", 30053))
    }
    ending = endpoint("10.42.0.5", ready=False, serving=True, terminating=True)
    assert conntrack.stale_flows(old, ports(slice_of(ending, endpoint("10.42.0.6")))) == set()
    same = slice_of(endpoint("10.42.0.5"), endpoint("10.42.0.6"))
    plain = [{"name": "d", "port": 53, "protocol": "UDP"}]
    assert conntrack.stale_flows(old, ports(same, ports=plain, externalIPs=[])) == {
        conntrack.Flows(IPV4, "192.0.2.7", 53), conntrack.Flows(IPV4, "", 30053),
    }  # fmt: skip
    flows = conntrack.Flows(IPV6, "", 30053, "fd42::5")
    assert flows.arguments() == (
        "-D", "-f", "ipv6", "-p", "udp", "--orig-port-dst", "30053", "--dst-nat", "fd42::5",
    )  # fmt: skip


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
    hostile["status"] = {"loadBalancer": {"ingress": [{"ip": HOSTILE}, {"ip": "192.0.2.9"}]}}
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
    assert ranges("fd00::/8") == (IPV4.nobody,)
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
