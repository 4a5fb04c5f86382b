from pinnace.kubelet.name_resolution import (
    Resolver,
    hosts_file,
    parse_resolv_conf,
    resolver,
    sandbox_hostname,
)
from unit.kubelet.runtime_builders import make_pod

HOST = Resolver(["8.8.8.8"], ["corp"], ["timeout:1"])


def resolve(**spec: object) -> Resolver:
    return resolver(make_pod(**spec), HOST, ("10.43.0.10",), "cluster.local")


def test_cluster_first() -> None:
    result = resolve()
    assert result.servers == ["10.43.0.10"]
    assert result.searches == ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp"]
    assert result.options == ["ndots:5"]


def test_the_host_network_uses_the_hosts_resolver_unless_told() -> None:
    assert resolve(hostNetwork=True) == HOST
    assert resolve(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet").servers == ["10.43.0.10"]
    assert resolve(dnsPolicy="Default") == HOST


def test_dns_config_is_merged() -> None:
    config = {"nameservers": ["1.1.1.1"], "searches": ["x"], "options": [{"name": "ndots", "value": "2"}]}
    result = resolve(dnsPolicy="None", dnsConfig=config)
    assert (result.servers, result.searches, result.options) == (["1.1.1.1"], ["x"], ["ndots:2"])
    assert resolve(dnsConfig=config).options == ["ndots:2"]


def test_resolv_conf_is_read() -> None:
    text = "# c\nnameserver 1.2.3.4\nsearch a b .\noptions ndots:1 rotate\n"
    assert parse_resolv_conf(text) == Resolver(["1.2.3.4"], ["a", "b"], ["ndots:1", "rotate"])


def test_hosts_file_names_the_pod() -> None:
    pod = make_pod(hostname="me", subdomain="sub", hostAliases=[{"ip": "1.1.1.1", "hostnames": ["x", "y"]}])
    text = hosts_file(pod, ["10.0.0.5"], "cluster.local")
    assert "10.0.0.5\tme.sub.default.svc.cluster.local\tme\n" in text
    assert "# Entries added by HostAliases.\n1.1.1.1\tx\ty\n" in text


def test_hostname_is_cut_and_may_be_full() -> None:
    pod = make_pod()
    pod["metadata"]["name"] = "a" * 70
    assert len(sandbox_hostname(pod, "d")) == 63
    full = make_pod(hostname="me", subdomain="sub", setHostnameAsFQDN=True)
    assert sandbox_hostname(full, "d") == "me.sub.default.svc.d"
