from typing import Any

import pytest

from pinnace.apiserver.authz.escalation import described, uncovered


def rule(verbs: str, resources: str, groups: list[str] | None = None, **more: Any) -> dict[str, Any]:
    return {"verbs": verbs.split(), "apiGroups": groups or [""], "resources": resources.split(), **more}


@pytest.mark.parametrize(
    ("held", "wanted", "missing"),
    [
        ([rule("get list", "pods")], [rule("get", "pods")], 0),
        ([rule("get", "pods"), rule("list", "pods")], [rule("get list", "pods")], 0),
        ([rule("get", "pods")], [rule("get delete", "pods secrets")], 3),
        ([rule("*", "*", ["*"])], [rule("x", "y/z", ["w"])], 0),
        ([rule("get", "*/scale")], [rule("get", "deployments/scale")], 0),
        ([rule("get", "pods", resourceNames=["a"])], [rule("get", "pods")], 1),
        ([rule("get", "pods", resourceNames=["a"])], [rule("get", "pods", resourceNames=["a"])], 0),
        (
            [{"verbs": ["get"], "nonResourceURLs": ["/a/*"]}],
            [{"verbs": ["get"], "nonResourceURLs": ["/a/b", "/c"]}],
            1,
        ),
    ],
)
def test_what_is_not_covered(held: list, wanted: list, missing: int) -> None:
    assert len(uncovered(held, wanted)) == missing


def test_description() -> None:
    assert described(rule("get", "pods")) == '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'
