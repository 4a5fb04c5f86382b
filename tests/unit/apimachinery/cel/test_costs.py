"""What expressions cost at run time: upstream's figures, which budgets and users' experience are built on.

The figures are those that Kubernetes holds stable (apiextensions-apiserver, celcoststability_test.go).
"""

from typing import Any

import pytest

from pinnace.apimachinery.cel import Budget, Environment, type_of_structural

STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def form(name: str) -> dict[str, str]:
    return {"type": "string", "format": name}


def array(items: Any, **more: Any) -> Any:
    return {"type": "array", "items": items, **more}


def struct(**fields: Any) -> Any:
    return {"type": "object", "properties": fields}


def mapping(values: Any) -> Any:
    return {"type": "object", "additionalProperties": values}


SCHEMA = struct(
    i=INTEGER, j=INTEGER, n=NUMBER, s=STRING, t=STRING, x=form("byte"), y=form("byte"), b={"type": "boolean"},
    d=form("duration"), date=form("date"), at=form("date-time"), l=array(INTEGER), m=array(INTEGER),
    set=array(STRING, **{"x-kubernetes-list-type": "set"}), set2=array(STRING, **{"x-kubernetes-list-type": "set"}),
    objs=array(array(struct(k=STRING, v=STRING), **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]})),
    none=STRING, texts=mapping(STRING), numbers=mapping(INTEGER), a=struct(b=INTEGER, c=INTEGER),
    deep=struct(one=struct(two=INTEGER), other=struct(two=INTEGER)),
    entries=array(struct(k=STRING, v=STRING, w=STRING)),
)  # fmt: skip
SELF = {
    "i": 5, "j": 5, "n": 10, "s": "Rook takes \U0001f451", "t": "Rook takes \U0001f451", "x": "QUI=", "y": "QUI=", "b": True,
    "d": "1h2m3s4ms", "date": "1997-07-16", "at": "2011-08-18T19:03:37.010000000+01:00", "l": [1, 2, 3], "m": [1, 2, 3],
    "set": ["a", "b", "c"], "set2": ["a", "c", "b"],
    "objs": [
        [{"k": "a", "v": "1"}, {"k": "b", "v": "2"}], [{"k": "b", "v": "2"}, {"k": "a", "v": "1"}],
        [{"k": "b", "v": "3"}, {"k": "a", "v": "1"}], [{"k": "c", "v": "4"}],
    ],
    "none": None, "texts": {"k1": "a", "k2": "b"}, "numbers": {"b": 1, "d": 2}, "a": {"b": 1}, "deep": {"one": {"two": 4}},
    "entries": [{"k": "a1", "v": "b1"}, {"k": "a2", "v": "b2"}, {"k": "a3", "v": "b3", "w": "z"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        ("self.i == self.j", 5),
        ("self.i == self.j && self.i == 5 && 5 == self.j", 11),
        ("type(self.i) == int", 4),
        ("self.i + 1 == 5 + 1", 5),
        ("double(self.i) < self.n", 6),
        ("double(5) < 10.0", 1),
        ("double(self.i) < 10.0", 4),
        ("self.s == self.t", 6),
        ("self.s.startsWith('Rook')", 4),
        ("!self.s.startsWith('knight')", 5),
        ("self.s.matches('^[^0-9]*$')", 8),
        ("!self.s.matches('^[0-9]*$')", 7),
        ("size(self.s) == 12", 4),
        ("self.s.charAt(3) == 'k'", 4),
        ("self.s.indexOf('o') == 1", 4),
        ("self.s.indexOf('o', 2) == 2", 4),
        ("self.s.replace(' ', 'x') == 'Rookxtakesx\U0001f451'", 7),
        ("self.s.replace(' ', 'x', 1) == 'Rookxtakes \U0001f451'", 7),
        ("self.s.split(' ') == ['Rook', 'takes', '\U0001f451']", 6),
        ("self.s.substring(5) == 'takes \U0001f451'", 5),
        ("self.s.substring(4, 10).trim() == 'takes'", 6),
        ("self.s.upperAscii() == 'ROOK TAKES \U0001f451'", 6),
        ("self.x == self.y", 5),
        ("self.x == b'AB'", 3),
        ("size(self.x) == 2", 4),
        ("self.d == duration('1h2m') + duration('3s4ms')", 4),
        ("self.d.getHours() == 1", 4),
        ("type(self.d) == google.protobuf.Duration", 4),
        ("self.date.getDate() == 16", 4),
        ("self.at == timestamp('2011-08-18T00:00:00.000+01:00') + duration('19h3m37s10ms')", 4),
        ("self.s == 'Pending'", 3),
        ("self.s in ['Pending', 'Available']", 2),
        ("string(self.i) == self.s", 6),
        ("string(self.n) == '10.5'", 4),
        ("1 in self.l", 5),
        ("self.m[0] in self.l", 8),
        ("!(0 in self.l)", 6),
        ("self.l + self.m == [1, 2, 3, 1, 2, 3]", 6),
        ("self.l + [4, 5] == [1, 2, 3, 4, 5]", 4),
        ("self.set == ['c', 'b', 'a']", 3),
        ("self.set == self.set2", 5),
        ("'a' in self.set", 5),
        ("self.set + self.set2 == ['a', 'b', 'c']", 6),
        ("self.objs[0] == self.objs[1]", 7),
        ("self.objs[0] + self.objs[2] == self.objs[2]", 11),
        ("self.objs[0] == [self.objs[0][0], self.objs[0][1]]", 22),
        ("self.objs[2] + [self.objs[0][0], self.objs[0][1]] == self.objs[0]", 26),
        ("size(self.objs[0] + [self.objs[3][0]]) == 3", 20),
        ("'k1' in self.texts", 3),
        ("!('k3' in self.texts)", 4),
        ("self.texts == {'k1': 'a', 'k2': 'b'}", 3),
        ("has(self.a.b)", 2),
        ("has(self.deep.one.two)", 3),
        ("!(has(self.deep.other) && has(self.deep.other.two))", 3),
        ("!has(self.deep.other)", 3),
        ("self.numbers.all(k, self.numbers[k] > 0)", 17),
        ("self.numbers.exists_one(k, self.numbers[k] == 2)", 14),
        ("!self.numbers.exists_one(k, self.numbers[k] > 0)", 17),
        ("size(self.numbers.filter(k, self.numbers[k] > 1)) == 1", 26),
        ("has(self.entries[0].v)", 3),
        ("self.entries.all(m, m.k.startsWith('a'))", 21),
        ("self.entries.all(m, !has(m.w) || m.w == 'z')", 21),
        ("self.entries.exists(m, m.k.endsWith('1'))", 13),
        ("self.entries.exists_one(m, m.k == 'a3')", 15),
        ("!self.entries.all(m, m.k.endsWith('1'))", 18),
        ("!self.entries.exists(m, m.v == 'x')", 25),
        ("!self.entries.exists_one(m, m.k.startsWith('a'))", 20),
        ("size(self.entries.filter(m, m.k == 'a1')) == 1", 27),
        ("self.entries.exists(m, m.k == 'a1' && m.v == 'b1')", 16),
        ("self.entries.map(m, m.v).exists(v, v == 'b1')", 55),
        ("has(self.a) && self.a.b == 1", 5),
        ("type(self) == type(self)", 5),
        ("self.objs[0][0].k == 'a'", 6),
        ("self.objs[0].exists(e, e.k == 'b' && e.v == '2')", 21),
        ("optional.of('a') != optional.of('b')", 3),
        ("optional.of('a').hasValue()", 2),
        ("optional.of('a').or(optional.of('a')).hasValue()", 2),
        ("optional.none().or(optional.of('a')).hasValue()", 3),
        ("optional.of('a').optMap(v, v == 'value').hasValue()", 8),
        ("self.a.?b == optional.of(1)", 5),
        ("self.a.?c == optional.none()", 4),
        ("self.a.?b.orValue(2) == 1", 4),
        ("self.texts[?'k1'] == optional.of('a')", 5),
        ("self.l[?0] == optional.of(1)", 5),
        ("optional.ofNonZeroValue(1).hasValue()", 2),
        ("has(self.none)", 1),
    ],
)
def test_cost(source: str, cost: int) -> None:
    kind = type_of_structural(SCHEMA, is_root=True)
    assert kind
    program, budget = Environment({"self": kind}).compile(source), Budget(1_000_000)
    program.evaluate({"self": SELF}, budget)
    assert 1_000_000 - budget.remaining == cost


@pytest.mark.parametrize(
    ("source", "least", "most"),
    [
        ("ip('192.168.0.1')", 2, 2),
        ("ip('2001:db8:3333:4444:5555:6666:7777:8888').family()", 5, 5),
        ("ip.isCanonical('192.168.0.1')", 3, 3),
        ("cidr('192.168.0.0/16').ip()", 3, 3),
        ("cidr('192.168.0.0/16').containsIP(ip('192.0.0.1'))", 4, 7),
        ("cidr('192.168.0.0/16').containsCIDR('192.0.0.0/30')", 7, 11),
        ("url('https:://kubernetes.io/').getScheme()", 4, 4),
        ("[1, 2, 3, 4, 5].sum()", 15, 15),
        ("[uint(1), uint(2), uint(3), uint(4), uint(5)].max()", 20, 20),
        ("'01234567890123456789012345678901234567890123456789'.indexOf('123')", 5, 5),
    ],
)
def test_estimate(source: str, least: int, most: int) -> None:
    assert Environment({}).compile(source).estimated_cost == (least, most)
