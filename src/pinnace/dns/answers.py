"""From a question to an answer out of the zone: pure, on top of `Zone`; `wire` writes it."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pinnace.dns import wire
from pinnace.dns.records import Address, Cname, Ptr, Record, Srv, Txt, Zone
from pinnace.dns.wire import Question, Rr

TTL = 30
NEGATIVE_TTL = 5
MOST_ORDERS = 6
MOST_ALIASES = 8  # of one chain of ExternalNames


@dataclass(slots=True)
class Answer:
    """`ask_for`: a name outside the cluster that the chain of aliases leads to; somebody else must know what it stands for.

    The first `aliases` answers are the chain of names; the order of the others is open.
    """

    code: int
    answers: list[Rr]
    authorities: list[Rr]
    additional: list[Rr]
    ask_for: str = ""
    aliases: int = 0


def answer(asked: Question, zone: Zone) -> Answer | None:
    """The authoritative answer; None when the name is not the cluster's and must be forwarded."""
    found = zone.lookup(asked.name)
    if not zone.is_ours(asked.name) and not (found and asked.kind in (wire.PTR, wire.ANY)):
        return None
    made = Answer(wire.NOERROR, [], [], [])
    owner, name, seen = "", asked.name, {asked.name}
    while found is not None:
        alias = next((record.target for record in found if isinstance(record, Cname)), None)
        if alias is None or asked.kind in (wire.CNAME, wire.ANY):
            break
        made.answers.append(wire.pointing(owner, wire.CNAME, alias, TTL))
        made.aliases += 1
        if alias in seen or len(seen) > MOST_ALIASES:
            made.code = wire.SERVFAIL
            return made
        seen.add(alias)
        owner = name = alias
        if not zone.is_ours(name):
            made.ask_for = name
            return made
        found = zone.lookup(name)
    _fill(made, asked, owner, found, zone)
    return made


def _fill(made: Answer, asked: Question, owner: str, found: list[Record] | None, zone: Zone) -> None:
    """Records of the name at the end, or the zone's SOA where there are none of this type."""
    if found is None:
        made.code = wire.NXDOMAIN
    records = found or []
    written = [rr for record in records for rr in _written(owner, asked.kind, record)]
    if not written:
        made.authorities.append(wire.authority(zone.domain, zone.serial, NEGATIVE_TTL))
    made.answers += written
    if asked.kind == wire.SRV:
        made.additional += _addresses_of(records, zone)


def _addresses_of(records: Iterable[Record], zone: Zone) -> Iterator[Rr]:
    for target in dict.fromkeys(record.target for record in records if isinstance(record, Srv)):
        for extra in zone.lookup(target) or ():
            if isinstance(extra, Address):
                yield wire.address(target, extra.ip, TTL)


def _written(owner: str, kind: int, record: Record) -> Iterator[Rr]:
    match record:
        case Address(ip) if kind in (wire.AAAA if record.is_ipv6 else wire.A, wire.ANY):
            yield wire.address(owner, ip, TTL)
        case Srv(port, target) if kind in (wire.SRV, wire.ANY):
            yield wire.service(owner, port, target, TTL)
        case Cname(target) if kind in (wire.CNAME, wire.ANY):
            yield wire.pointing(owner, wire.CNAME, target, TTL)
        case Ptr(target) if kind in (wire.PTR, wire.ANY):
            yield wire.pointing(owner, wire.PTR, target, TTL)
        case Txt(content) if kind in (wire.TXT, wire.ANY):
            yield wire.text(owner, content, TTL)


def packed(asked: Question, made: Answer, limit: int) -> bytes:
    return wire.reply(
        asked, made.code, made.answers, made.authorities, made.additional, is_ours=True, limit=limit
    )


def orders(asked: Question, made: Answer, limit: int, shuffle: random.Random) -> list[bytes]:
    """The answer in some of its orders, with another address at the front of each, which spreads clients that take the first."""
    first = packed(asked, made, limit)
    loose = made.answers[made.aliases :]
    if len(loose) < 2 or int.from_bytes(first[2:4], "big") & wire.TRUNCATED:
        return [first]
    found, mixed = [], shuffle.sample(loose, len(loose))
    for first_at in range(min(MOST_ORDERS, len(mixed))):
        made.answers[made.aliases :] = mixed[first_at:] + mixed[:first_at]
        found.append(packed(asked, made, limit))
    return found
