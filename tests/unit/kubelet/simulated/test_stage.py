import random
from datetime import UTC, datetime
from typing import Any

import pytest

from pinnace.kubelet.simulated.stage import Stage, StageError, choose, compile_stage, finalizers_after
from pinnace.kubelet.simulated.stage_functions import FUNCTIONS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POD: dict[str, Any] = {"metadata": {"name": "p", "labels": {"app": "web"}, "annotations": {"wait": "1m30s", "n": "7"}},
                       "status": {"phase": "Running", "restarts": 2}}  # fmt: skip


def stage(**spec: Any) -> Stage:
    body = {"resourceRef": {"kind": "Pod"}, "selector": {}, "next": {"delete": True}, **spec}
    return compile_stage({"metadata": {"name": "s"}, "spec": body})


def on(key: str, operator: str, *values: str) -> bool:
    one = {"key": key, "operator": operator, **({"values": list(values)} if values else {})}
    return stage(selector={"matchExpressions": [one]}).matches(POD)


def test_selectors() -> None:
    assert stage().matches(POD)
    assert not stage(selector=None).matches(POD)
    assert stage(selector={"matchLabels": {"app": "web"}, "matchAnnotations": {"n": "7"}}).matches(POD)
    assert not stage(selector={"matchLabels": {"app": "other"}}).matches(POD)
    assert on(".status.phase", "In", "Pending", "Running")
    assert not on(".status.phase", "NotIn", "Running")
    assert on(".status.restarts", "In", "2")
    assert on(".metadata.deletionTimestamp", "DoesNotExist")
    assert on(".status.phase", "Exists")
    assert not on(".status.phase[]", "Exists")  # it fails on this object: nothing found
    assert on(".status.phase[]", "NotIn", "x")
    assert stage(selector={"matchExpressions": [{"expression": "self.status.restarts > 1"}]}).matches(POD)
    assert not stage(selector={"matchExpressions": [{"expression": "self.spec.none == 1"}]}).matches(POD)


def wait(**delay: Any) -> float:
    return stage(delay=delay).wait(POD, NOW, random.Random(1))


def test_delays() -> None:
    assert stage().wait(POD, NOW, random.Random(1)) == 0
    assert wait(durationMilliseconds=1500) == 1.5
    assert wait(durationMilliseconds=5000, jitterDurationMilliseconds=2000) == 2
    assert 5 <= wait(durationMilliseconds=5000, jitterDurationMilliseconds=6000) <= 6
    assert wait(durationFrom={"expressionFrom": ".metadata.annotations.wait"}) == 90
    assert wait(durationMilliseconds=1000, durationFrom={"expressionFrom": ".metadata.annotations.none"}) == 1
    POD["metadata"]["annotations"]["at"] = "2026-01-01T00:00:20Z"
    assert wait(durationFrom={"expressionFrom": ".metadata.annotations.at"}) == 20
    assert wait(durationFrom={"expressionFrom": ".metadata.annotations.n"}) == 0  # a duration needs a unit


def drawn(*stages: Stage) -> set[str]:
    chance = random.Random(1)
    return {found.name for _ in range(50) if (found := choose(stages, POD, chance))}


def named(name: str, **spec: Any) -> Stage:
    body = {"resourceRef": {"kind": "Pod"}, "selector": {}, "next": {}, **spec}
    return compile_stage({"metadata": {"name": name}, "spec": body})


def test_weights() -> None:
    assert drawn() == set()
    assert drawn(named("a"), named("b")) == {"a", "b"}
    assert drawn(named("a", weight=1), named("b")) == {"a"}
    assert drawn(named("a", weight=1), named("b", weight=1)) == {"a", "b"}
    assert drawn(named("a", weightFrom={"expressionFrom": ".metadata.annotations.n"}), named("b")) == {"a"}
    assert drawn(named("a", weightFrom={"expressionFrom": ".status.phase"}), named("b")) == {"b"}


def test_finalizers() -> None:
    assert finalizers_after(
        ["a", "b"], {"remove": [{"value": "a"}], "add": [{"value": "c"}, {"value": "b"}]}
    ) == ["b", "c"]
    assert finalizers_after(["a"], {"empty": True}) == []


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"resourceRef": {"kind": "Secret"}}, "only v1 Pod and v1 Node"),
        (
            {"selector": {"matchExpressions": [{"key": ".a", "operator": "Near"}]}},
            'operator "Near" is not supported',
        ),
        ({"selector": {"matchExpressions": [{"key": ".a", "operator": "In"}]}}, "values set can't be empty"),
        (
            {"selector": {"matchExpressions": [{"key": ".a", "operator": "Exists", "values": ["x"]}]}},
            "must be empty",
        ),
        ({"selector": {"matchExpressions": [{"expression": "self +"}]}}, "matchExpressions[0].expression"),
        ({"selector": {"matchExpressions": [{"expression": "'text'"}]}}, "matchExpressions[0].expression"),
        ({"delay": {"durationFrom": {"expressionFrom": "def f: 1;"}}}, "spec.delay.durationFrom"),
        ({"next": {"patches": [{"impersonation": {"username": "x"}}]}}, "patches[0].impersonation"),
        ({"next": {"statusTemplate": "{{"}}, "spec.next.statusTemplate: unclosed action"),
    ],
)
def test_what_is_wrong_says_where(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(StageError) as failure:
        stage(**spec)
    assert says in str(failure.value)


def body(template: str, **patch: Any) -> Any:
    found = stage(next={"patches": [{"template": template, **patch}]}).patches[0]
    return found.body(POD, FUNCTIONS)


def test_patches() -> None:
    assert body("phase: {{ .status.phase | Quote }}\nat: 2026-01-01T00:00:00Z", root="status") == {
        "status": {"phase": "Running", "at": "2026-01-01T00:00:00Z"}
    }
    assert body("- {op: add, path: /x, value: {{ add1 1 }}}", root="status", type="json") == [
        {"op": "add", "path": "/status/x", "value": 2}
    ]
    assert body("labels:{{ YAML .metadata.labels 1 }}") == {"labels": {"app": "web"}}
    with pytest.raises(StageError, match="the template fails"):
        body('{{ fail "no" }}')
    with pytest.raises(StageError, match="the template fails"):
        body("a: [")


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ Quote \"a\\\"b\" }}{{ Quote 3 }}{{ Quote .metadata.labels }}", '"a\\"b""3""{\\"app\\":\\"web\\"}"'),
        ("{{ default \"x\" .none }}{{ .none | default \"y\" }}{{ coalesce .none \"z\" }}", "xyz"),
        ("{{ ternary 1 2 true }} {{ empty \"\" }} {{ dig \"metadata\" \"labels\" \"app\" \"-\" . }}", "1 true web"),
        ("{{ list 1 2 3 | join \",\" }} {{ (dict \"a\" 1).a }} {{ first (list 4 5) }} {{ until 3 }}", "1,2,3 1 4 [0 1 2]"),
        ("{{ add 1 2 3 }} {{ sub 5 2 }} {{ mul 2 3 }} {{ div 7 2 }} {{ mod 7 2 }} {{ max 1 5 2 }}", "6 3 6 3 1 5"),
        ("{{ upper \"a\" }}{{ trimSuffix \"b\" \"ab\" }}{{ replace \"a\" \"c\" \"aa\" }}{{ trunc 2 \"abc\" }}", "Aaccab"),
        ("{{ hasPrefix \"a\" \"ab\" }} {{ contains \"b\" \"abc\" }} {{ regexMatch \"^a.c$\" \"abc\" }}", "true true true"),
        ("{{ \"aa\" | b64enc | b64dec }} {{ toJson .metadata.labels }} {{ nindent 2 \"x\" }}", 'aa {"app":"web"} \n  x'),
        ("{{ range NodeConditions }}{{ .type }} {{ end }}", "Ready MemoryPressure DiskPressure PIDPressure NetworkUnavailable "),
        ("{{ regexReplaceAll \"(a)(b)\" \"ab\" \"${2}$1\" }} {{ int \"7\" | add 1 }} {{ seq 3 }}", "ba 8 1 2 3"),
    ],
)  # fmt: skip
def test_functions(template: str, text: str) -> None:
    found = stage(next={"statusTemplate": template}).patches[0]
    assert found.template.render(POD, FUNCTIONS) == text
