from typing import Any

import pytest

from pinnace.apimachinery.jq import JqError, compile_query

POD: dict[str, Any] = {
    "metadata": {
        "name": "web-0", "labels": {"app": "web"}, "annotations": {"example.com/delay": "5s"},
        "ownerReferences": [{"kind": "Job", "uid": "1"}, {"kind": "Other"}],
    },
    "spec": {"containers": [{"name": "a"}, {"name": "b"}], "hostNetwork": False},
    "status": {
        "phase": "Running", "restarts": 3,
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "False"}],
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("query", "outputs"),
    [
        (".status.phase", ["Running"]),
        (".metadata.deletionTimestamp", [None]),
        (".metadata.nothing.below", [None]),
        (".metadata.ownerReferences.[].kind", ["Job", "Other"]),
        (".metadata.ownerReferences[].uid", ["1", None]),
        ('.status.conditions.[] | select( .type == "Ready" ) | .status', ["True"]),
        ('.metadata.annotations["example.com/delay"]', ["5s"]),
        ('.metadata.annotations."example.com/delay"', ["5s"]),
        ('."metadata".labels | keys', [["app"]]),
        (".spec.containers | length", [2]),
        ("[.spec.containers[].name] | join(\",\")", ["a,b"]),
        (".spec.containers[-1].name, .spec.containers[0].name", ["b", "a"]),
        (".spec.containers[1:] | .[0].name", ["b"]),
        (".spec.containers[5]", [None]),
        (".nothing // \"default\"", ["default"]),
        (".spec.hostNetwork // true", [True]),
        (".status.restarts > 2 and .status.phase == \"Running\"", [True]),
        (".status.restarts + 1 - 2 * 3", [-2]),
        ("if .spec.hostNetwork then 1 elif .status then 2 else 3 end", [2]),
        (".status.conditions | map(.type) | contains([\"Ready\"])", [True]),
        (".status.conditions | any(.status == \"True\")", [True]),
        (".status.conditions | all(.status == \"True\")", [False]),
        (".metadata.name | test(\"^web-[0-9]+$\") and startswith(\"web\")", [True]),
        (".metadata.name | split(\"-\") | last | tonumber", [0]),
        (".nothing[]?", []),
        ("[..|.kind?|values]", [["Job", "Other"]]),
        (".status.conditions | sort_by(.type) | .[0].type", ["Initialized"]),
        (".spec.containers | to_entries | .[1].value.name", ["b"]),
        ("has(\"spec\"), (.metadata | has(\"uid\"))", [True, False]),
        ("[1, 2, null, 2] | unique", [[None, 1, 2]]),
        ("empty", []),
        ("[]", [[]]),
    ],
)  # fmt: skip
def test_outputs(query: str, outputs: list[Any]) -> None:
    assert list(compile_query(query)(POD)) == outputs


@pytest.mark.parametrize(
    "query", [".status.phase[]", ".status.phase.x", ".spec.containers.name", ".status.phase[0]", '1 + "a"']
)
def test_what_does_not_fit_fails(query: str) -> None:
    with pytest.raises(JqError):
        list(compile_query(query)(POD))


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (".a | ", "unexpected 'end'"),
        (".a)", "unexpected ')'"),
        ("reduce .[] as $x (0; .)", "'reduce' is not known here"),
        ("$x", "variables are not known here"),
        ("{a: 1}", "objects cannot be constructed here"),
        ('"\\(.a)"', "interpolation"),
        ("frobnicate", "function not defined: frobnicate/0"),
        (".a &", "unexpected '&'"),
    ],
)
def test_what_is_not_known_says_so(query: str, says: str) -> None:
    with pytest.raises(JqError) as failure:
        compile_query(query)
    assert says in str(failure.value)
