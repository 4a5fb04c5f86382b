"""Jobs: the generated selector, the rules of the spec, what may change, what a status may say."""

import pytest

from pinnace.api import meta
from pinnace.api.batch import indexes
from pinnace.api.resources import JOBS
from pinnace.api.strategies import strategy_for

POD = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}
UID = "0b7c"


def build(status=None, **spec):
    obj = {
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "j", "namespace": "default", "uid": UID, "resourceVersion": "1"},
        "spec": {"template": {"spec": meta.mutable_copy(POD)}, **spec},
    }  # fmt: skip
    strategy = strategy_for(JOBS)
    strategy.default(obj)
    strategy.prepare_create(obj)
    strategy.canonicalize(obj)
    obj["status"] = status or {}
    return obj


def found(**spec):
    return texts(strategy_for(JOBS).validate(build(**spec)))


def texts(causes):
    return [f"{cause.field}: {cause.message}" for cause in causes]


def test_the_server_makes_up_selector_and_labels():
    job = build()
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    labels = {
        "job-name": "j",
        "batch.kubernetes.io/job-name": "j",
        "controller-uid": UID,
        "batch.kubernetes.io/controller-uid": UID,
    }
    assert job["spec"]["template"]["metadata"]["labels"] == labels
    assert job["metadata"]["labels"] == labels
    assert job["metadata"]["generation"] == 1
    assert found() == []


def test_labels_that_contradict_the_generated_ones_are_refused():
    template = {"metadata": {"labels": {"job-name": "other"}}, "spec": POD}
    (first,) = found(template=template)
    assert first.startswith("spec.template.metadata.labels[job-name]: Invalid value: ")
    assert first.endswith(": must be 'j'")
    wrong = {"matchLabels": {"batch.kubernetes.io/controller-uid": "mine"}}
    assert "spec.selector: Invalid value: " in "\n".join(found(selector=wrong))


def test_a_name_that_is_drawn_again_reaches_the_labels():
    strategy, job = strategy_for(JOBS), build()
    job["metadata"]["generateName"] = "j"
    job["metadata"]["name"] = "jabcde"
    strategy.canonicalize(job)
    assert job["spec"]["template"]["metadata"]["labels"]["job-name"] == "jabcde"


INDEXED = {"completionMode": "Indexed", "completions": 4}
EXITS = {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1]}}
RULES = [
    ({"parallelism": -1}, "spec.parallelism: Invalid value: -1: must be greater than or equal to 0"),
    ({"completionMode": "x"}, 'spec.completionMode: Unsupported value: "x": supported values: "Indexed", "NonIndexed"'),
    ({"completionMode": "Indexed", "parallelism": 1}, "spec.completions: Required value: when completion mode is Indexed"),
    ({**INDEXED, "parallelism": 100001}, "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed"),
    ({"backoffLimitPerIndex": 1}, "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
    ({**INDEXED, "maxFailedIndexes": 1}, "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"),
    ({**INDEXED, "backoffLimitPerIndex": 1, "maxFailedIndexes": 9}, "spec.maxFailedIndexes: Invalid value: 9: must be less than or equal to completions"),
    ({**INDEXED, "completions": 200000, "backoffLimitPerIndex": 1}, "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000"),
    ({"managedBy": "nobody"}, 'spec.managedBy: Invalid value: "nobody": must be a domain-prefixed path (such as "acme.io/foo")'),
    ({"managedBy": "a.b/" + "x" * 70}, "spec.managedBy: Too long: may not be more than 63 bytes"),
    ({"podReplacementPolicy": "x"}, 'spec.podReplacementPolicy: Unsupported value: "x": supported values: "Failed", "TerminatingOrFailed"'),
    ({"podFailurePolicy": {"rules": [EXITS]}, "podReplacementPolicy": "TerminatingOrFailed"}, 'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'),
    ({"podFailurePolicy": {"rules": [{"action": "Ignore"}]}}, "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"),
    ({"podFailurePolicy": {"rules": [{**EXITS, "action": ""}]}}, 'spec.podFailurePolicy.rules[0].action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'),
    ({"podFailurePolicy": {"rules": [{**EXITS, "action": "FailIndex"}]}}, 'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'),
    ({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [0]}}]}}, "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"),
    ({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [2, 1]}}]}}, "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,1]: must be ordered"),
    ({"podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [1], "containerName": "z"}}]}}, 'spec.podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: "z": must be one of the container or initContainer names in the pod template'),
    ({"podFailurePolicy": {"rules": [EXITS]}, "template": {"spec": {**POD, "restartPolicy": "OnFailure"}}}, 'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified'),
    ({"template": {"spec": {"containers": POD["containers"]}}}, 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
    ({**INDEXED, "successPolicy": {"rules": [{}]}}, "spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified"),
    ({**INDEXED, "successPolicy": {"rules": []}}, "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified"),
    ({**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "0-9"}]}}, 'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "0-9": error parsing succeededIndexes: too large index: "9"'),
    ({**INDEXED, "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 3}]}}, "spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)"),
    ({"successPolicy": {"rules": [{"succeededCount": 1}]}}, 'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode'),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "expected"), RULES)
def test_what_is_wrong(spec, expected):
    assert found(**spec) == [expected]


def changed(before, after):
    strategy, old = strategy_for(JOBS), before
    new = meta.mutable_copy(old)
    new["spec"].update(after)
    strategy.prepare_update(new, old)
    return texts(strategy.validate_update(new, old)), new


def test_a_running_job_keeps_its_template_but_may_be_suspended_and_widened():
    assert changed(build(), {"suspend": True, "parallelism": 3, "backoffLimit": 1})[0] == []
    other = {**build()["spec"]["template"], "spec": {**POD, "nodeSelector": {"a": "b"}}}
    (message,) = changed(build(), {"template": other})[0]
    assert message.startswith("spec.template: Invalid value: ")
    assert message.endswith(": field is immutable")
    assert changed(build(), {"completions": 3})[0] == [
        "spec.completions: Invalid value: 3: field is immutable"
    ]


def test_a_suspended_job_that_never_ran_may_be_placed_elsewhere():
    job = build(suspend=True)
    template = meta.mutable_copy(job["spec"]["template"])
    template["spec"] |= {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}
    template["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}  # fmt: skip
    template["metadata"]["annotations"] = {"x": "y"}
    template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    messages, new = changed(job, {"template": template})
    assert messages == []
    assert new["metadata"]["generation"] == 2
    template["spec"]["containers"][0]["image"] = "j"
    assert len(changed(job, {"template": template})[0]) == 1


def test_an_indexed_job_grows_in_tandem_with_its_parallelism():
    job = build(completionMode="Indexed", completions=2, parallelism=2)
    assert changed(job, {"completions": 3, "parallelism": 3})[0] == []
    assert changed(job, {"completions": 3})[0] == [
        "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"
    ]


def condition(*kinds):
    return [{"type": kind, "status": "True"} for kind in kinds]


START, END = "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"
DONE = {"startTime": START, "completionTime": END, "conditions": condition("SuccessCriteriaMet", "Complete")}
STATUSES = [
    ({}, {"active": -1}, "status.active: Invalid value: -1: must be greater than or equal to 0"),
    ({}, {**DONE, "conditions": condition("Complete")}, "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition"),
    ({}, {"startTime": START, "conditions": condition("Failed")}, "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition"),
    ({}, {**DONE, "active": 1}, "status.active: Invalid value: 1: active>0 is invalid for finished job"),
    ({}, {**DONE, "completionTime": None}, "status.completionTime: Required value: completionTime is required for Complete jobs"),
    ({}, {"completionTime": END}, f'status.completionTime: Invalid value: "{END}": cannot set completionTime when there is no Complete=True condition'),
    ({}, {**DONE, "completionTime": "2025-01-01T00:00:00Z"}, 'status.completionTime: Invalid value: "2025-01-01T00:00:00Z": completionTime cannot be set before startTime'),
    ({}, {**DONE, "startTime": None}, "status.startTime: Required value: startTime is required for finished job"),
    ({}, {"ready": 2, "active": 1}, "status.ready: Invalid value: 2: cannot set more ready pods than active"),
    ({}, {"completedIndexes": "1"}, 'status.completedIndexes: Invalid value: "1": error parsing completedIndexes: too large index: "1"'),
    ({}, {"failedIndexes": ""}, 'status.failedIndexes: Invalid value: "": cannot set non-null failedIndexes when backoffLimitPerIndex is null'),
    ({}, {"uncountedTerminatedPods": {"succeeded": ["u"], "failed": ["u"]}}, 'status.uncountedTerminatedPods.failed[0]: Duplicate value: "u"'),
    ({"failed": 2}, {"failed": 1}, "status.failed: Invalid value: 1: cannot decrease the failed counter"),
    ({"succeeded": 2}, {"succeeded": 1}, "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter"),
    ({"startTime": START}, {"startTime": END}, "status.startTime: Required value: startTime cannot be removed for unsuspended job"),
    ({"conditions": condition("FailureTarget")}, {}, "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "expected"), STATUSES)
def test_a_status_does_not_contradict_itself(before, after, expected):
    old, new = build(before), build({key: value for key, value in after.items() if value is not None})
    messages = texts(strategy_for(JOBS).validate_status_update(new, old))
    assert expected in messages
    assert all(message == expected or "completedIndexes" in message for message in messages)


def test_the_start_of_a_job_moves_when_it_is_resumed():
    strategy = strategy_for(JOBS)
    suspended = build({"startTime": START, "conditions": condition("Suspended")})
    resumed = build({"startTime": END, "conditions": [{"type": "Suspended", "status": "False"}]})
    assert strategy.validate_status_update(resumed, suspended) == []


def test_a_sound_end_is_accepted_and_stays():
    strategy = strategy_for(JOBS)
    assert strategy.validate_status_update(build(DONE), build({"startTime": START, "active": 1})) == []
    assert strategy.validate_status_update(build(DONE), build(DONE)) == []
    moved = build({**DONE, "completionTime": "2026-01-01T02:00:00Z"})
    assert [
        cause.message.rpartition(": ")[2] for cause in strategy.validate_status_update(moved, build(DONE))
    ] == ["completionTime cannot be mutated"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("0", 1), ("0,2-3", 3), ("1-3,7", 4)],
)
def test_sets_of_indexes(text, expected):
    assert indexes.count(text, 8) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8", 'too large index: "8"'),
        ("3,1", "non-increasing order, previous: 3, current: 1"),
        ("3-1", "non-increasing order, previous: 3, current: 1"),
        ("0,0", "non-increasing order, previous: 0, current: 0"),
        ("a", 'cannot convert string to integer for index: "a"'),
        ("1-2-3", "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'"),
    ],
)  # fmt: skip
def test_sets_of_indexes_that_cannot_be_read(text, message):
    with pytest.raises(indexes.IndexesError) as caught:
        indexes.count(text, 8)
    assert str(caught.value) == message


def test_the_lowest_common_index():
    assert indexes.first_common("0-2,5", "4-6", 9) == 5
    assert indexes.first_common("0-2", "3", 9) is None
    assert indexes.first_common("x,1", "1", 9) == 1


def test_many_indexes_at_once_are_warned_about():
    job = build(completionMode="Indexed", completions=200_000, parallelism=20_000)
    (warning,) = strategy_for(JOBS).warnings(job)
    assert warning.startswith("In Indexed Jobs with a number of completions higher than 10^5")
