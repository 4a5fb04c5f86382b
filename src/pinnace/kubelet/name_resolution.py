"""What a pod's resolv.conf, /etc/hosts and hostname say. Pure; reading the node's own files is the caller's."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pinnace.api import meta
from pinnace.api.core import pods
from pinnace.api.meta import Object

MAX_SERVERS, MAX_SEARCHES, MAX_SEARCH_LENGTH = 3, 32, 2048
HOSTS_HEADER = "# Kubernetes-managed hosts file."
HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network)."


@dataclass(slots=True)
class Resolver:
    servers: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def as_cri(self) -> dict[str, list[str]]:
        return {
            "servers": self.servers[:MAX_SERVERS],
            "searches": self.searches[:MAX_SEARCHES],
            "options": self.options,
        }


def parse_resolv_conf(text: str) -> Resolver:
    result = Resolver()
    for line in text.splitlines():
        word, *rest = line.split("#")[0].split() or [""]
        if word == "nameserver" and rest:
            result.servers.append(rest[0])
        elif word == "search":
            result.searches = [entry for entry in rest if entry != "."]
        elif word == "options":
            result.options = rest
    return result


def resolver(pod: Object, host: Resolver, cluster_dns: Sequence[str], domain: str) -> Resolver:
    """By `dnsPolicy`, then `dnsConfig` merged in; without a cluster DNS address the node's own is used."""
    spec = pod["spec"]
    policy = spec.get("dnsPolicy") or "ClusterFirst"
    if policy == "ClusterFirst" and pods.uses_host_network(pod):
        policy = "Default"
    if policy == "None":
        result = Resolver()
    elif policy in ("ClusterFirst", "ClusterFirstWithHostNet") and cluster_dns:
        own = f"{meta.namespace(pod)}.svc.{domain}"
        searches = [own, f"svc.{domain}", domain, *host.searches]
        result = Resolver(list(cluster_dns), list(dict.fromkeys(searches)), ["ndots:5"])
    else:
        result = Resolver(list(host.servers), list(host.searches), list(host.options))
    return _merged(result, spec.get("dnsConfig") or {})


def _merged(base: Resolver, extra: dict[str, list]) -> Resolver:
    options = {option.partition(":")[0]: option for option in base.options}
    for option in extra.get("options") or ():
        value = option.get("value")
        options[option["name"]] = f"{option['name']}:{value}" if value else option["name"]
    return Resolver(
        list(dict.fromkeys([*base.servers, *(extra.get("nameservers") or ())])),
        list(dict.fromkeys([*base.searches, *(extra.get("searches") or ())])),
        list(options.values()),
    )


def hostname(pod: Object) -> str:
    """The pod's short host name: `spec.hostname`, else its name, cut to 63 characters."""
    chosen = pod["spec"].get("hostnameOverride") or pod["spec"].get("hostname") or meta.name(pod)
    return chosen[:63].rstrip("-.")


def full_name(pod: Object, domain: str) -> str:
    """The fully qualified name, or "" when the pod has no subdomain."""
    subdomain = pod["spec"].get("subdomain")
    if not subdomain or pod["spec"].get("hostnameOverride"):
        return ""
    return f"{hostname(pod)}.{subdomain}.{meta.namespace(pod)}.svc.{domain}"


def sandbox_hostname(pod: Object, domain: str) -> str:
    if pod["spec"].get("setHostnameAsFQDN") and (full := full_name(pod, domain)):
        return full
    return hostname(pod)


def hosts_file(pod: Object, ips: Sequence[str], domain: str, node_hosts: str = "") -> str:
    """The managed /etc/hosts; in the host's network it starts as the node's own."""
    if pods.uses_host_network(pod):
        text = f"{HOST_NETWORK_HEADER}\n{node_hosts}"
    else:
        lines = [
            HOSTS_HEADER,
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::0\tip6-localnet",
            "fe00::0\tip6-mcastprefix",
            "fe00::1\tip6-allnodes",
            "fe00::2\tip6-allrouters",
        ]
        names = "\t".join(filter(None, (full_name(pod, domain), hostname(pod))))
        lines += [f"{ip}\t{names}" for ip in ips]
        text = "\n".join(lines) + "\n"
    aliases = pod["spec"].get("hostAliases") or ()
    if aliases:
        text += "\n# Entries added by HostAliases.\n"
        text += "".join("\t".join([alias["ip"], *(alias.get("hostnames") or ())]) + "\n" for alias in aliases)
    return text
