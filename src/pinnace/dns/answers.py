"""From a question to a DNS message: pure, on top of `Zone`; dnslib does the wire format."""

import random

from dnslib import AAAA, CNAME, PTR, QTYPE, RCODE, RR, SOA, SRV, TXT, A, DNSRecord

from pinnace.dns.records import Address, Cname, Ptr, Record, Srv, Txt, Zone

TTL = 30
NEGATIVE_TTL = 5
MAX_UDP = 512  # without EDNS; the client's EDNS size otherwise


def answer(request: DNSRecord, zone: Zone, shuffle: random.Random) -> DNSRecord | None:
    """The authoritative answer; None when the name is not the cluster's and must be forwarded."""
    question = request.q
    name = str(question.qname).rstrip(".").lower()
    kind = QTYPE.get(question.qtype)
    records = zone.lookup(name)
    if not zone.is_ours(name) and not (kind == "PTR" and records):
        return None
    reply = request.reply(aa=1, ra=1)
    if records is None:
        reply.header.rcode = RCODE.NXDOMAIN
        reply.add_auth(_soa(zone))
        return reply
    found = [rr for record in _shuffled(records, shuffle) for rr in _resource_records(name, kind, record)]
    if not found:
        reply.add_auth(_soa(zone))
        return reply
    for rr in found:
        reply.add_answer(rr)
    if kind == "SRV":
        for target in dict.fromkeys(record.target for record in records if isinstance(record, Srv)):
            for extra in zone.lookup(target) or ():
                if isinstance(extra, Address):
                    reply.add_ar(_address(target, extra))
    return reply


def cname_target(reply: DNSRecord, wanted: str) -> str | None:
    """The outside name that an answer ends in, so that the server can resolve it too; None when there is none."""
    if wanted not in ("A", "AAAA") or len(reply.rr) != 1 or reply.rr[0].rtype != QTYPE.CNAME:
        return None
    return str(reply.rr[0].rdata).rstrip(".")


def _shuffled(records: list[Record], shuffle: random.Random) -> list[Record]:
    """Any order is right; a new one each time spreads clients that take the first address."""
    if len(records) < 2:
        return records
    return shuffle.sample(records, len(records))


def _resource_records(name: str, kind: str, record: Record) -> list[RR]:
    match record:
        case Address(ip) if kind in ("ANY", "AAAA" if record.is_ipv6 else "A"):
            del ip
            return [_address(name, record)]
        case Srv(port, target) if kind in ("SRV", "ANY"):
            return [RR(name, QTYPE.SRV, ttl=TTL, rdata=SRV(0, 100, port, target))]
        case Cname(target):
            return [RR(name, QTYPE.CNAME, ttl=TTL, rdata=CNAME(target))]
        case Ptr(target) if kind in ("PTR", "ANY"):
            return [RR(name, QTYPE.PTR, ttl=TTL, rdata=PTR(target))]
        case Txt(text) if kind in ("TXT", "ANY"):
            return [RR(name, QTYPE.TXT, ttl=TTL, rdata=TXT(text))]
    return []


def _address(name: str, address: Address) -> RR:
    if address.is_ipv6:
        return RR(name, QTYPE.AAAA, ttl=TTL, rdata=AAAA(address.ip))
    return RR(name, QTYPE.A, ttl=TTL, rdata=A(address.ip))


def _soa(zone: Zone) -> RR:
    times = (zone.serial, 7200, 1800, 86400, NEGATIVE_TTL)
    return RR(
        zone.domain,
        QTYPE.SOA,
        ttl=NEGATIVE_TTL,
        rdata=SOA(f"ns.dns.{zone.domain}", f"hostmaster.{zone.domain}", times),
    )


def udp_size(request: DNSRecord) -> int:
    """How many bytes the asker takes over UDP."""
    for extra in request.ar:
        if extra.rtype == QTYPE.OPT:
            return max(MAX_UDP, int(extra.rclass))
    return MAX_UDP


def packed(reply: DNSRecord, limit: int) -> bytes:
    """Wire format; a reply over `limit` bytes is emptied and marked truncated, so that the asker comes back over TCP."""
    wire = bytes(reply.pack())
    return wire if len(wire) <= limit else bytes(reply.truncate().pack())
