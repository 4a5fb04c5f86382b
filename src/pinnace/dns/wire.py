"""DNS messages as bytes (RFC 1035, EDNS0 of RFC 6891): reading one question, writing an answer, walking a foreign answer. Pure.

Everything read here comes from strangers: what is not as it should be raises `Malformed` and nothing else. Leaves out DNSSEC and all
that a resolver need not understand of the records that it hands on.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT = 1, 2, 5, 6, 12, 16, 28, 33, 41
IXFR, AXFR, ANY = 251, 252, 255
IN, ANY_CLASS = 1, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
RESPONSE, AUTHORITATIVE, TRUNCATED, DESIRED, AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
OPCODE = 0x7800
HEADER = struct.Struct("!HHHHHH")
FIXED = struct.Struct("!HHIH")  # of a record, behind its name: type, class, TTL, length
HEADER_BYTES = 12
MOST_UDP = 512  # without EDNS
OUR_UDP = 1232  # what passes every link: what we say we take, and the most that we send over UDP
DO = 0x8000
QUESTION_NAME = b"\xc0\x0c"  # a pointer to the name of the question


class Malformed(ValueError):
    """Not a DNS message that can be answered as asked."""


@dataclass(frozen=True, slots=True)
class Question:
    """`wire` are name, type and class as they came; `udp_size` 0 without EDNS."""

    id: int
    flags: int
    name: str  # lower case, without the final dot
    kind: int
    of_class: int
    wire: bytes
    udp_size: int = 0
    version: int = 0
    wants_dnssec: bool = False

    @property
    def limit(self) -> int:
        """How many bytes the asker takes over UDP."""
        return max(MOST_UDP, min(self.udp_size, OUR_UDP)) if self.udp_size else MOST_UDP


@dataclass(frozen=True, slots=True)
class Rr:
    """A record to write. `owner` "" is the name that was asked for."""

    owner: str
    kind: int
    ttl: int
    data: bytes


def question(wire: bytes) -> Question:
    """Raises Malformed unless it is one question, perhaps with EDNS."""
    if len(wire) < HEADER_BYTES:
        raise Malformed("shorter than a header")
    identity, flags, questions, answers, authorities, additional = HEADER.unpack_from(wire)
    if questions != 1 or answers or authorities or additional > 2:
        raise Malformed("not one question")
    name, end = _question_name(wire)
    if end + 4 > len(wire):
        raise Malformed("cut off")
    kind, of_class = struct.unpack_from("!HH", wire, end)
    end += 4
    asked = wire[HEADER_BYTES:end]
    size, version, dnssec, seen = 0, 0, False, False
    for _ in range(additional):
        owner_end = skip_name(wire, end)
        found, of, ttl, length = _fixed(wire, owner_end)
        if found == OPT:
            if seen or owner_end != end + 1:
                raise Malformed("more than one OPT, or one with a name")
            seen, size, version, dnssec = True, max(of, MOST_UDP), ttl >> 16 & 0xFF, bool(ttl & DO)
        end = owner_end + FIXED.size + length
    if end > len(wire):
        raise Malformed("cut off")
    return Question(identity, flags, name, kind, of_class, asked, size, version, dnssec)


def _question_name(wire: bytes) -> tuple[str, int]:
    """(name, where it ends); the first name of a message has nothing to point at."""
    at, labels = HEADER_BYTES, []
    while True:
        if at >= len(wire):
            raise Malformed("cut off")
        length = wire[at]
        if length == 0:
            break
        if length > 63 or at + 1 + length > len(wire):
            raise Malformed("not a label")
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    if at + 1 - HEADER_BYTES > 255:
        raise Malformed("a name of more than 255 bytes")
    return b".".join(labels).decode("latin-1").lower(), at + 1


def skip_name(wire: bytes, at: int) -> int:
    """Where the name that begins there ends; pointers are not followed."""
    while at < len(wire):
        length = wire[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            if at + 2 > len(wire):
                break
            return at + 2
        if length > 63:
            raise Malformed("not a label")
        at += 1 + length
    raise Malformed("cut off")


def _fixed(wire: bytes, at: int) -> tuple[int, int, int, int]:
    if at + FIXED.size > len(wire):
        raise Malformed("cut off")
    kind, of_class, ttl, length = FIXED.unpack_from(wire, at)
    if at + FIXED.size + length > len(wire):
        raise Malformed("cut off")
    return kind, of_class, ttl, length


def name_bytes(name: str) -> bytes:
    """Raises Malformed for a label that is empty or too long."""
    if not name:
        return b"\0"
    parts = []
    for label in name.encode("latin-1").split(b"."):
        if not 0 < len(label) <= 63:
            raise Malformed("not a label")
        parts.append(bytes((len(label),)) + label)
    whole = b"".join(parts) + b"\0"
    if len(whole) > 255:
        raise Malformed("a name of more than 255 bytes")
    return whole


def address(owner: str, ip: str, ttl: int) -> Rr:
    packed = ip_address(ip).packed
    return Rr(owner, A if len(packed) == 4 else AAAA, ttl, packed)


def pointing(owner: str, kind: int, target: str, ttl: int) -> Rr:
    """CNAME or PTR."""
    return Rr(owner, kind, ttl, name_bytes(target))


def service(owner: str, port: int, target: str, ttl: int) -> Rr:
    return Rr(owner, SRV, ttl, struct.pack("!HHH", 0, 100, port) + name_bytes(target))


def text(owner: str, content: str, ttl: int) -> Rr:
    return Rr(owner, TXT, ttl, bytes((len(content),)) + content.encode("latin-1"))


def authority(zone: str, serial: int, ttl: int) -> Rr:
    times = struct.pack("!IIIII", serial & 0xFFFFFFFF, 7200, 1800, 86400, ttl)
    return Rr(zone, SOA, ttl, name_bytes(f"ns.dns.{zone}") + name_bytes(f"hostmaster.{zone}") + times)


def reply(
    asked: Question, code: int = NOERROR, answers: Iterable[Rr] = (), authorities: Iterable[Rr] = (),
    additional: Iterable[Rr] = (), *, is_ours: bool = False, limit: int = 0xFFFF,
) -> bytes:  # fmt: skip
    """The whole message; over `limit` bytes an empty one marked truncated, so that the asker comes back over TCP."""
    sections = [list(answers), list(authorities), list(additional)]
    flags = RESPONSE | AVAILABLE | (asked.flags & (OPCODE | DESIRED)) | (code & 0xF)
    flags |= AUTHORITATIVE if is_ours else 0
    edns = _opt(asked, code)
    body = b"".join(_written(rr) for section in sections for rr in section)
    counts = [len(section) for section in sections]
    if HEADER_BYTES + len(asked.wire) + len(body) + len(edns) > limit:
        flags, body, counts = flags | TRUNCATED, b"", [0, 0, 0]
    counts[2] += 1 if edns else 0
    return HEADER.pack(asked.id, flags, 1, *counts) + asked.wire + body + edns


def _written(rr: Rr) -> bytes:
    owner = name_bytes(rr.owner) if rr.owner else QUESTION_NAME
    return owner + FIXED.pack(rr.kind, IN, rr.ttl, len(rr.data)) + rr.data


def _opt(asked: Question, code: int) -> bytes:
    """Ours, where the asker has one; the bit for DNSSEC is given back, as RFC 3225 wants it."""
    if not asked.udp_size:
        return b""
    return b"\0" + FIXED.pack(OPT, OUR_UDP, code >> 4 << 24 | (DO if asked.wants_dnssec else 0), 0)


def refusal(wire: bytes, code: int) -> bytes:
    """The header alone, for what cannot be read further; b"" where not even that is there, or for an answer."""
    if len(wire) < HEADER_BYTES:
        return b""
    identity, flags, *_ = HEADER.unpack_from(wire)
    if flags & RESPONSE:
        return b""
    return HEADER.pack(identity, RESPONSE | AVAILABLE | (flags & (OPCODE | DESIRED)) | code, 0, 0, 0, 0)


def truncated(asked: Question) -> bytes:
    """Come back over TCP."""
    return reply(asked, limit=0)


def query(identity: int, asked: Question) -> bytes:
    """The question as it is put to another name server."""
    edns = b"\0" + FIXED.pack(OPT, OUR_UDP, 0, 0) if asked.udp_size else b""
    return HEADER.pack(identity, DESIRED, 1, 0, 0, 1 if edns else 0) + asked.wire + edns


@dataclass(frozen=True, slots=True)
class Foreign:
    """What must be known of another server's answer to keep it: its code, how long, and where the lifetimes stand."""

    code: int
    lifetime: int
    ttl_offsets: tuple[int, ...]
    answers: tuple[tuple[int, int, int], ...]  # of the answer section: (start, type, end)


def foreign(wire: bytes, asked: Question) -> Foreign:
    """Raises Malformed unless it answers this question. A negative answer lives as long as its SOA says (RFC 2308)."""
    if len(wire) < HEADER_BYTES:
        raise Malformed("shorter than a header")
    _, flags, questions, answers, authorities, additional = HEADER.unpack_from(wire)
    end = HEADER_BYTES + len(asked.wire)
    echoed = wire[HEADER_BYTES:end]
    if not flags & RESPONSE or questions != 1 or echoed.lower() != asked.wire.lower():
        raise Malformed("an answer to something else")
    lifetimes: list[int] = []
    offsets: list[int] = []
    spans: list[tuple[int, int, int]] = []
    for number in range(answers + authorities + additional):
        start, at = end, skip_name(wire, end)
        kind, _, ttl, length = _fixed(wire, at)
        end = at + FIXED.size + length
        if kind == OPT:
            continue
        ttl = 0 if ttl & 0x80000000 else ttl
        offsets.append(at + 4)
        if number < answers:
            spans.append((start, kind, end))
        if number < answers or (not answers and kind == SOA):
            lifetimes.append(min(ttl, _minimum(wire, end)) if not answers else ttl)
    return Foreign(flags & 0xF, min(lifetimes, default=0), tuple(offsets), tuple(spans))


def _minimum(wire: bytes, end: int) -> int:
    """The last field of an SOA."""
    return int.from_bytes(wire[end - 4 : end], "big")


def aged(wire: bytes, offsets: Iterable[int], seconds: int) -> bytes:
    """The same answer, some seconds later."""
    if not seconds:
        return wire
    changed = bytearray(wire)
    for at in offsets:
        left = max(0, int.from_bytes(changed[at : at + 4], "big") - seconds)
        changed[at : at + 4] = left.to_bytes(4, "big")
    return bytes(changed)


def records(wire: bytes, found: Foreign) -> Iterator[Rr]:
    """The records of the answer section that can be written into another message: addresses and names."""
    for start, kind, end in found.answers:
        at = skip_name(wire, start)
        _, _, ttl, length = _fixed(wire, at)
        data = wire[end - length : end]
        if kind == CNAME:
            data = name_bytes(read_name(wire, end - length))
        elif kind not in (A, AAAA, TXT):
            continue
        yield Rr(read_name(wire, start), kind, ttl, data)


def read_name(wire: bytes, at: int) -> str:
    """The name that begins there, pointers followed: only backwards, so that it ends."""
    labels: list[bytes] = []
    size, limit = 0, len(wire)
    while True:
        if at >= limit:
            raise Malformed("cut off")
        length = wire[at]
        if length == 0:
            return b".".join(labels).decode("latin-1").lower()
        if length >= 0xC0:
            if at + 1 >= len(wire):
                raise Malformed("cut off")
            target = (length & 0x3F) << 8 | wire[at + 1]
            if target >= at:
                raise Malformed("a pointer that does not lead back")
            limit, at = at, target
            continue
        size += 1 + length
        if length > 63 or size > 254 or at + 1 + length > len(wire):
            raise Malformed("not a label")
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
