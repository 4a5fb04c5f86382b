from typing import Any

import pytest

from pinnace.apimachinery import cel
from pinnace.apimachinery.cel import (
    BOOL,
    Authorizer,
    Budget,
    BudgetExceeded,
    CompileError,
    Decision,
    Environment,
    EvaluationError,
    Question,
    type_of_schema,
    type_of_structural,
)
from pinnace.apimachinery.gvk import GVK
from pinnace.apimachinery.schema import schemas

VALUES: dict[str, Any] = {
    "object": {"spec": {"replicas": 3, "paused": False}, "metadata": {"labels": {"app": "web"}}},
    "x": 4,
    "text": "hello",
    "authorizer": Authorizer(lambda question: Decision(question.verb == "create", reason=question.resource)),
}
ENV = Environment({"object": cel.DYN, "x": cel.INT, "text": cel.STRING, "authorizer": Authorizer.cel_type})


def evaluate(source: str) -> Any:
    return ENV.compile(source).evaluate(VALUES)


@pytest.mark.parametrize(
    "source",
    [
        # operators
        "1 + 2 * 3 == 7 && 7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1 && 7u % 4u == 3u",
        "1.5 + 0.5 == 2.0 && 'a' + 'b' == 'ab' && [1] + [2] == [1, 2] && b'a' + b'b' == b'ab'",
        "1 < 2u && 1 < 1.5 && 2u > 1 && 'a' < 'b' && b'a' < b'b' && false < true",
        "!(1 == 2) && 1 != 2 && - -1 == 1 && !!true && -(-1) == 1",
        "x > 3 ? true : object.nothing",
        "dyn(1) == 1.0 && dyn('1') != 1 && null == null",
        "'a' in ['a', 'b'] && 'app' in object.metadata.labels && !(1 in [2])",
        "[1, 2, 3][1] == 2 && {'a': 1}['a'] == 1 && object['spec']['replicas'] == 3",
        # an error is hidden by a side that decides
        "true || object.nothing",
        "object.nothing || true",
        "!(object.nothing && false)",
        # literals
        r"'\u00e9' == 'é' && r'\n'.size() == 2 && '''ab''' == 'ab' && b'\xff'.size() == 1 && '\101' == 'A'",
        "0x10 == 16 && 1e3 == 1000.0 && .5 == 0.5 && 9223372036854775807 > -9223372036854775808",
        "// a comment\n true",
        # macros
        "has(object.spec.replicas) && !has(object.spec.other)",
        "[1, 2, 3].all(i, i > 0) && [1, 2].exists(i, i == 2) && [1, 2].exists_one(i, i == 2)",
        "[0, 1].exists(i, 1 / i == 1) && ![0, 1].all(i, 2 / i == 1)",
        "[1, 2, 3].map(i, i * 2) == [2, 4, 6] && [1, 2, 3].map(i, i > 1, i * 2) == [4, 6]",
        "[1, 2, 3].filter(i, i > 1) == [2, 3] && {'a': 1, 'b': 2}.filter(k, k != 'a') == ['b']",
        "[[1, 2], [3]].all(list, list.all(i, i < 4 && size(list) < 3))",
        "[1, 2].all(i, v, i + 1 == v) && {'a': 1}.exists(k, v, k == 'a' && v == 1)",
        "[5, 6].transformList(i, v, i + v) == [5, 7] && [5, 6].transformList(i, v, i > 0, v) == [6]",
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2) == {'b': 4}",
        "{'a': 'b'}.transformMapEntry(k, v, {v: k}) == {'b': 'a'} && [7].existsOne(i, v, v == 7)",
        # optionals
        "object.?spec.?replicas.orValue(0) == 3 && object.?a.b.c.orValue('no') == 'no'",
        "optional.of(1).hasValue() && !optional.none().hasValue() && optional.of(1).value() == 1",
        "optional.of(2).optMap(v, v * 2).value() == 4 && optional.none().or(optional.of(1)).value() == 1",
        "optional.of(2).optFlatMap(v, optional.of(v + 1)).value() == 3",
        "[1][?0].value() == 1 && ![1][?1].hasValue() && {'a': 1}[?'a'].value() == 1",
        "[?optional.none(), ?optional.of(1)] == [1] && {?'a': optional.none()} == {}",
        "optional.ofNonZeroValue('') == optional.none() && has({'a': {'b': 1}}.?a.b)",
        # conversions and types
        "int('42') == 42 && int(3.9) == 3 && uint(3) == 3u && double('1.5') == 1.5 && bool('true')",
        "string(1) == '1' && string(1.5) == '1.5' && string(true) == 'true' && string(b'a') == 'a'",
        "string(1000000.0) == '1e+06' && string(0.0001) == '0.0001' && string(-0.5) == '-0.5' && string(3.0) == '3'",
        "type(1) == int && type('a') == string && type([]) == list && type(type(1)) == type",
        # times
        "duration('1h30m').getMinutes() == 90 && string(duration('1.5s')) == '1.5s'",
        "timestamp('2024-02-29T10:20:30.5Z').getMonth() == 1 && timestamp('2024-02-29T10:20:30Z').getDate() == 29",
        "timestamp('2024-02-29T10:20:30Z').getHours('+02:00') == 12",
        "timestamp('2024-02-29T10:20:30Z') + duration('1h') == timestamp('2024-02-29T11:20:30Z')",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
        "string(timestamp('2024-01-02T03:04:05.600Z')) == '2024-01-02T03:04:05.6Z'",
        # strings
        "'abc'.charAt(1) == 'b' && 'abcabc'.indexOf('c', 3) == 5 && 'abcabc'.lastIndexOf('a') == 3",
        "'a,b'.split(',') == ['a', 'b'] && 'a,b,c'.split(',', 2) == ['a', 'b,c'] && ['a', 'b'].join('-') == 'a-b'",
        "'abc'.substring(1) == 'bc' && 'abc'.substring(1, 2) == 'b' && ' a '.trim() == 'a'",
        "'aBc'.lowerAscii() == 'abc' && 'aBc'.upperAscii() == 'ABC' && 'aaa'.replace('a', 'b', 2) == 'bba'",
        "'%s %d %.2f %x'.format(['a', dyn(1), dyn(1.5), dyn(255)]) == 'a 1 1.50 ff'",
        "strings.quote('a\"b') == '\"a\\\\\"b\"'",
        "'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c') && size('abc') == 3",
        "'abc123'.matches('^[a-z]+[0-9]+$') && matches('abc', 'b') && !text.matches('^ello')",
        # Kubernetes' libraries
        "[1, 2, 2].isSorted() && [1, 2].sum() == 3 && [1, 2].min() == 1 && [1.5, 2.5].max() == 2.5",
        "['a', 'b', 'a'].indexOf('a') == 0 && ['a', 'b', 'a'].lastIndexOf('a') == 2",
        "[duration('1s'), duration('2s')].sum() == duration('3s')",
        "'a1b22'.find('[0-9]+') == '1' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "url('https://a.example:80/b?c=d&c=e').getHost() == 'a.example:80' && isURL('/a') && !isURL('a b')",
        "url('https://a.example:80/b?c=d&c=e').getQuery()['c'] == ['d', 'e']",
        "url('https://[::1]:80/a').getHostname() == '::1' && url('https://[::1]:80/a').getPort() == '80'",
        "quantity('1Gi').isGreaterThan(quantity('1M')) && quantity('1k').add(1).asInteger() == 1001",
        "isQuantity('1.5') && !isQuantity('x') && quantity('50m').compareTo(quantity('0.05')) == 0",
        "ip('10.0.0.1').family() == 4 && isIP('::1') && !isIP('10.0.0') && ip.isCanonical('::1')",
        "cidr('10.0.0.0/8').containsIP('10.1.1.1') && cidr('10.0.0.0/8').containsCIDR(cidr('10.1.0.0/16'))",
        "string(cidr('10.1.2.3/8').masked()) == '10.0.0.0/8' && cidr('::/64').prefixLength() == 64",
        "!format.dns1123Label().validate('a-b').hasValue() && format.dns1123Label().validate('A').hasValue()",
        "format.named('uuid').value().validate('x').value() == ['does not match the UUID format']",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('v1.2', true).minor() == 2 && !isSemver('1.2')",
        "semver('1.0.0-rc.1').compareTo(semver('1.0.0')) == -1",
        "sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1], [1, 2])",
        "authorizer.group('apps').resource('deployments').namespace('x').check('create').allowed()",
        "authorizer.group('').resource('pods').check('get').reason() == 'pods'",
    ],
)
def test_is_true(source: str) -> None:
    assert evaluate(source) is True


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("object.nothing", "no such key: nothing"),
        ("[1][1]", "index out of bounds: 1"),
        ("1 / (x - 4)", "division by zero"),
        ("x % (x - 4)", "modulus by zero"),
        ("9223372036854775807 + x", "integer overflow"),
        ("object.spec.replicas + 'a'", "no such overload"),
        ("object.spec.replicas && true", "no such overload"),
        ("int('x')", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("optional.none().value()", "optional.none() dereference"),
        ("'abc'.charAt(9)", "index out of range: 9"),
        ("authorizer.path('')", "path must not be empty"),
        ("[object.spec.replicas].all(i, i)", "no such overload"),
    ],
)
def test_fails(source: str, message: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        evaluate(source)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("y", "ERROR: <input>:1:1: undeclared reference to 'y' (in container '')\n | y\n | ^"),
        (
            "x.foo()",
            "ERROR: <input>:1:6: undeclared reference to 'foo' (in container '')\n | x.foo()\n | .....^",
        ),
        ("x.y", "ERROR: <input>:1:2: type 'int' does not support field selection\n | x.y\n | .^"),
        (
            "'a' + 1",
            "ERROR: <input>:1:5: found no matching overload for '_+_' applied to '(string, int)'\n | 'a' + 1\n | ....^",
        ),
        (
            "x.startsWith('a')",
            "ERROR: <input>:1:13: found no matching overload for 'startsWith' applied to 'int.(string)'\n"
            " | x.startsWith('a')\n | ............^",
        ),
        ("[1, 'a']", "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^"),
        (
            "x.all(i, i)",
            "ERROR: <input>:1:1: expression of type 'int' cannot be range of a comprehension "
            "(must be list, map, or dynamic)\n | x.all(i, i)\n | ^",
        ),
        (
            "'a'.matches('[')",
            "ERROR: <input>:1:13: invalid matches argument\n | 'a'.matches('[')\n | ............^",
        ),
        ("duration('x')", "ERROR: <input>:1:10: invalid duration argument\n | duration('x')\n | .........^"),
        (
            "text ==\n 'é' + y",
            "ERROR: <input>:2:8: undeclared reference to 'y' (in container '')\n |  'é' + y\n | ..．....^",
        ),
    ],
)
def test_compile_errors_point_at_the_place(source: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        ENV.compile(source)
    assert str(caught.value) == message


@pytest.mark.parametrize("source", ["1 +", "a b", "(", "[1", "'a", "x.", "{1}", "has(x)", "for", "1.a", "99999999999999999999", "\x00", "x ? 1", "a{b}"])  # fmt: skip
def test_syntax_errors(source: str) -> None:
    with pytest.raises(CompileError, match=r"ERROR: <input>:1:"):
        ENV.compile(source)


def test_the_result_must_have_the_wanted_type() -> None:
    with pytest.raises(CompileError, match=r"^must evaluate to bool but got int$"):
        ENV.compile("x", result=BOOL)
    with pytest.raises(CompileError, match=r"^must evaluate to one of \[string null\]$"):
        ENV.compile("x", result=(cel.STRING, cel.NULL))


STRUCTURAL: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["names"],
            "properties": {
                "names": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
                    },
                },
                "when": {"type": "string", "format": "date-time"},
                "times": {"type": "array", "items": {"type": "string", "format": "date-time"}},
                "ratio": {"type": "number"},
                "data": {"type": "string", "format": "byte"},
                "wait": {"type": "string", "format": "duration"},
                "nothing": {"type": "string", "nullable": True},
                "port": {"x-kubernetes-int-or-string": True},
                "a-b.c/d": {"type": "string"},
                "namespace": {"type": "string"},
                "free": {"x-kubernetes-preserve-unknown-fields": True},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    },
}
SELF: dict[str, Any] = {
    "apiVersion": "example.com/v1",
    "kind": "Thing",
    "metadata": {"name": "one"},
    "spec": {
        "names": ["a", "b"],
        "tags": ["x", "y"],
        "ports": [{"name": "web", "port": 80}, {"name": "tls", "port": 443}],
        "when": "2024-01-01T00:00:00Z",
        "times": ["2024-01-01T00:00:00Z"],
        "ratio": 2,
        "data": "aGk=",
        "wait": "5m",
        "nothing": None,
        "port": 80,
        "a-b.c/d": "escaped",
        "namespace": "reserved",
        "free": {"a": 1},
        "labels": {"k": "v"},
    },
}


def crd_env() -> Environment:
    kind = type_of_structural(STRUCTURAL, is_root=True)
    assert kind
    return Environment({"self": kind, "oldSelf": kind})


@pytest.mark.parametrize(
    "source",
    [
        "self.metadata.name == 'one' && self.kind == 'Thing'",
        "self.spec.names.all(n, n.size() == 1)",
        "self.spec.when.getFullYear() == 2024 && self.spec.times[0] < timestamp('2025-01-01T00:00:00Z')",
        "self.spec.times.all(at, at.getFullYear() == 2024)",
        "self.spec.ratio * 2.0 == 4.0 && self.spec.ratio == 2.0",
        "self.spec.data == b'hi' && self.spec.wait == duration('300s')",
        "self.spec.port == 80 && type(self.spec.port) == int",
        "self.spec.a__dash__b__dot__c__slash__d == 'escaped' && self.spec.__namespace__ == 'reserved'",
        "self.spec.tags == ['y', 'x'] && self.spec.tags + ['x', 'z'] == ['x', 'y', 'z']",
        "oldSelf.spec.ports == self.spec.ports && self.spec.ports[0].port == 80",
        "self.spec.labels.k == 'v' && self.spec.labels['k'] == 'v'",
        "self.spec.?labels[?'none'].orValue('') == ''",
        "!has(self.spec.nothing) && !self.spec.?nothing.hasValue()",
        "self == oldSelf",
    ],
)
def test_rules_of_custom_resources(source: str) -> None:
    old = {**SELF, "spec": {**SELF["spec"], "ports": SELF["spec"]["ports"][::-1]}}
    if source == "self == oldSelf":
        old = SELF
    assert crd_env().compile(source, result=BOOL).evaluate({"self": SELF, "oldSelf": old}) is True


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("self.spec.other", "undefined field 'other'"),
        ("self.spec.free", "undefined field 'free'"),
        ("self.spec.namespace", "undefined field 'namespace'"),
        ("self.metadata.labels", "undefined field 'labels'"),
        ("self.spec.names[0] == 1", "found no matching overload for '_==_' applied to '(string, int)'"),
        ("self.spec.names.all(n, n > 1)", "found no matching overload for '_>_' applied to '(string, int)'"),
    ],
)
def test_rules_are_checked_against_the_schema(source: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        crd_env().compile(source)
    assert caught.value.issues[0].message == message


def test_built_in_kinds_have_types() -> None:
    schema = schemas.for_gvk(GVK("apps", "v1", "Deployment"))
    assert schema
    env = Environment({"object": type_of_schema(schema)})
    program = env.compile("object.spec.template.spec.containers.all(c, c.image.startsWith('a'))", result=BOOL)
    spec = {"template": {"spec": {"containers": [{"image": "abc"}]}}}
    assert program.evaluate({"object": {"spec": spec}}) is True
    with pytest.raises(CompileError, match="undefined field 'replica'"):
        env.compile("object.spec.replica > 1")
    with pytest.raises(CompileError, match="no matching overload"):
        env.compile("object.spec.replicas > '1'")


def test_the_worst_case_is_estimated_from_the_bounds_of_the_schema() -> None:
    env = crd_env()
    bounded = env.compile("self.spec.names.all(n, n.contains('x'))").estimated_cost
    assert bounded.max == 3 + 1 + 5 * (2 + 1 + 1 + 4)
    unbounded = env.compile("self.spec.tags.all(t, self.spec.tags.all(u, t == u))").estimated_cost
    assert unbounded.max > cel.RULE_COST_LIMIT
    assert env.compile("has(self.spec.names)").estimated_cost == (2, 2)
    assert env.compile("self.spec.names.map(n, n + 'a').size() < 3").estimated_cost.max < 200


def test_a_call_ends_when_it_costs_too_much() -> None:
    items = list(range(2000))
    program = Environment({"items": cel.list_of(cel.INT)}).compile(
        "items.all(i, items.all(j, i + j >= 0))", result=BOOL
    )
    with pytest.raises(BudgetExceeded, match="operation cancelled: actual cost limit exceeded"):
        program.evaluate({"items": items})


def test_a_budget_is_shared_by_evaluations() -> None:
    program, budget = ENV.compile("[1, 2, 3].all(i, i > 0)"), Budget(35)
    program.evaluate(VALUES, budget)
    spent = 35 - budget.remaining
    assert 10 < spent < 30
    program.evaluate(VALUES, budget)
    with pytest.raises(BudgetExceeded):
        program.evaluate(VALUES, budget)


def test_too_dear_is_never_hidden() -> None:
    program = ENV.compile("[1, 2, 3].all(i, i > 0) || true")
    small = Budget(5)
    with pytest.raises(BudgetExceeded):
        program.evaluate(VALUES, small)


def test_service_accounts_may_be_asked_about() -> None:
    asked: list[Question] = []

    def decide(question: Question) -> Decision:
        asked.append(question)
        return Decision(True)

    source = "authorizer.serviceAccount('ns', 'sa').group('').resource('pods').subresource('log').name('a').check('get').allowed()"
    assert ENV.compile(source).evaluate({"authorizer": Authorizer(decide)}) is True
    assert asked == [
        Question("get", resource="pods", subresource="log", name="a", service_account=("ns", "sa"))
    ]
