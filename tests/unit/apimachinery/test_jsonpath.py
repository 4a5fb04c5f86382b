"""kubectl's JSONPath."""

import pytest

from pinnace.apimachinery.jsonpath import JsonPath, JsonPathError, relaxed

PODS = {
    "items": [
        {"metadata": {"name": "a", "labels": {"app.kubernetes.io/name": "x"}}, "spec": {"n": 1}, "on": True},
        {"metadata": {"name": "b"}, "spec": {"n": 2, "c": [{"image": "i1"}, {"image": "i2"}]}},
    ]
}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{.items[*].metadata.name}", "a b"),
        ("{.items[0].metadata.name}", "a"),
        ("{.items[-1].metadata.name}", "b"),
        ("{.items[0:1].metadata.name}", "a"),
        ("{$.items[*].spec.n}", "1 2"),
        ("{.items[?(@.spec.n==2)].metadata.name}", "b"),
        ("{.items[?(@.spec.n>0)].metadata.name}", "a b"),
        ('{.items[?(@.metadata.name=="a")].spec.n}', "1"),
        ("{.items[?(@.spec.c)].metadata.name}", "b"),
        ("{range .items[*]}{.metadata.name}{'\\t'}{.spec.n}{\"\\n\"}{end}", "a\t1\nb\t2\n"),
        ("names: {.items[*]['metadata.name']}", "names: "),
        ("{.items[0]['spec','on']}", '{"n":1} true'),
        ("{..image}", "i1 i2"),
        (r"{.items[0].metadata.labels.app\.kubernetes\.io/name}", "x"),
        ("{.items[0].metadata.labels['app\\.kubernetes\\.io/name']}", "x"),
        ("{.items[1].spec}", '{"c":[{"image":"i1"},{"image":"i2"}],"n":2}'),
        ("{.missing}", ""),
        ("plain", "plain"),
    ],
)
def test_templates(template: str, text: str) -> None:
    assert JsonPath(template).render(PODS) == text


@pytest.mark.parametrize("template", ["{.a", "{range .a}", "{.a[}", "{.a[x]}", "{'a}"])
def test_broken_templates(template: str) -> None:
    with pytest.raises(JsonPathError):
        JsonPath(template)


@pytest.mark.parametrize("template", ["{end}", "{.a}{end}", "{kind}"])
def test_what_is_only_wrong_when_it_is_come_to(template: str) -> None:
    path = JsonPath(template)
    with pytest.raises(JsonPathError):
        path.render({"a": 1, "kind": "Pod"})


def test_missing_fields_may_be_errors() -> None:
    with pytest.raises(JsonPathError, match="nope is not found"):
        JsonPath("{.nope}", allow_missing=False).render(PODS)


@pytest.mark.parametrize("text", ["metadata.name", ".metadata.name", "{.metadata.name}"])
def test_relaxed_expressions(text: str) -> None:
    assert relaxed(text) == "{.metadata.name}"
