from typing import Any

import pytest

from pinnace.api import meta
from pinnace.api.apps.deployments import DESIRED_REPLICAS, REVISION, revision
from pinnace.controllers.deployment import reconcile
from pinnace.controllers.deployment.revisions import new_set
from pinnace.controllers.deployment.sizes import annotation_number, proportional, rolled_down
from pinnace.controllers.runtime import Create, Delete, Emit, RequeueAfter, SetStatus, Update, World
from unit.controllers.builders import NOW, Object, ago, deployment, pod, replicaset


def set_of(d: Object, size: int, *, available: int | None = None, number: int = 1, image: str = "") -> Object:
    """A ReplicaSet as the controller made it for `d` (or for an earlier image), with a status."""
    spec = d["spec"]["template"]["spec"]
    template = {
        **d["spec"]["template"],
        "spec": {**spec, "containers": [{**spec["containers"][0], "image": image}]},
    }
    source = {**d, "spec": {**d["spec"], "template": template}} if image else d
    rs = new_set(source, size, size, number)
    rs["metadata"] |= {"uid": meta.name(rs), "resourceVersion": "1", "generation": 1,
                       "creationTimestamp": ago(1000 - number)}  # fmt: skip
    rs["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] = str(d["spec"]["replicas"])
    rs["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] = str(d["spec"]["replicas"])
    ready = size if available is None else available
    rs["status"] = {
        "replicas": size,
        "readyReplicas": ready,
        "availableReplicas": ready,
        "observedGeneration": 1,
    }
    return rs


def run(d: Object, *others: Object, **world: Any) -> list:
    d["metadata"].setdefault(
        "annotations", {REVISION: str(len([o for o in others if o["kind"] == "ReplicaSet"]))}
    )
    return list(reconcile(d, World.of([d, *others], NOW, **world)))


def messages(actions: list) -> list[str]:
    return [action.message for action in actions if isinstance(action, Emit)]


def sizes(actions: list) -> dict[str, int]:
    return {meta.name(a.obj): a.obj["spec"]["replicas"] for a in actions if isinstance(a, Update)}


def revisions(actions: list) -> list[str]:
    return [meta.annotations(a.obj)[REVISION] for a in actions if isinstance(a, SetStatus)]


def condition(actions: list, kind: str) -> Object | None:
    (status,) = [action.status for action in actions if isinstance(action, SetStatus)]
    return next((c for c in status["conditions"] if c["type"] == kind), None)


def test_a_new_deployment_gets_a_set_a_revision_and_conditions() -> None:
    d = deployment(replicas=3)
    d["metadata"]["annotations"] = {"team": "x"}
    actions = run(d)
    (created,) = [a.obj for a in actions if isinstance(a, Create)]
    digest = created["metadata"]["labels"]["pod-template-hash"]
    assert created["metadata"]["name"] == f"web-{digest}"
    assert created["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": digest}
    assert created["spec"]["template"]["metadata"]["labels"]["pod-template-hash"] == digest
    assert created["metadata"]["annotations"] == {
        "team": "x",
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert messages(actions) == [f"Scaled up replica set web-{digest} from 0 to 3"]
    assert revisions(actions) == ["1"]
    assert condition(actions, "Progressing")["reason"] == "NewReplicaSetCreated"  # type: ignore[index]
    assert condition(actions, "Available")["reason"] == "MinimumReplicasUnavailable"  # type: ignore[index]


def test_a_changed_template_surges_first() -> None:
    d = deployment(replicas=4, image="new")
    actions = run(d, set_of(d, 4, image="old"))
    (created,) = [a.obj for a in actions if isinstance(a, Create)]
    assert created["spec"]["replicas"] == 1
    assert created["metadata"]["annotations"][REVISION] == "2"


def test_old_sets_shrink_as_far_as_max_unavailable_allows() -> None:
    d = deployment(replicas=4, image="new")
    old, new = set_of(d, 4, image="old"), set_of(d, 1, available=0, number=2)
    actions = run(d, old, new)
    assert sizes(actions) == {meta.name(old): 3}
    assert messages(actions) == [f"Scaled down replica set {meta.name(old)} from 4 to 3"]


def test_surge_counts_what_sets_are_to_keep_not_the_pods_that_are_there() -> None:
    """The old set was told to lose a pod, which is still there: the new one grows all the same, as upstream's."""
    d = deployment(replicas=4, image="new")
    old, new = set_of(d, 3, available=4, image="old"), set_of(d, 1, number=2)
    assert old["status"]["availableReplicas"] == 4
    assert sizes(run(d, old, new)) == {meta.name(new): 2}


def test_unhealthy_old_pods_go_first() -> None:
    d = deployment(replicas=4, image="new")
    healthy, broken = set_of(d, 2, image="a"), set_of(d, 2, available=0, number=2, image="b")
    new = set_of(d, 1, available=0, number=3)
    assert sizes(run(d, healthy, broken, new)) == {meta.name(broken): 1}


def test_completion_is_reported_and_old_sets_are_tidied() -> None:
    d = deployment(replicas=2, image="new", revisionHistoryLimit=1)
    d["status"] = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2,
                   "observedGeneration": 1}  # fmt: skip
    old = [set_of(d, 0, image=f"old{n}", number=n) for n in (1, 2, 3)]
    new = set_of(d, 2, number=4)
    actions = run(d, *old, new)
    assert [meta.name(a.obj) for a in actions if isinstance(a, Delete)] == [meta.name(rs) for rs in old[:2]]
    progressing = condition(actions, "Progressing")
    assert progressing is not None
    assert progressing["message"] == f'ReplicaSet "{meta.name(new)}" has successfully progressed.'


def test_rolling_back_gives_the_old_set_the_next_revision_and_remembers_the_former() -> None:
    d = deployment(replicas=2, image="one")
    one, two = set_of(d, 0), set_of(d, 2, number=2, image="two")
    actions = run(d, one, two)
    (update,) = [a.obj for a in actions if isinstance(a, Update)]
    assert meta.name(update) == meta.name(one)
    assert update["metadata"]["annotations"][REVISION] == "3"
    assert update["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert revisions(actions) == ["3"]


def test_a_paused_deployment_scales_but_does_not_roll() -> None:
    d = deployment(replicas=5, image="new", paused=True)
    old = set_of(d, 2, image="old")
    old["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] = "2"
    actions = run(d, old)
    assert sizes(actions) == {meta.name(old): 5}
    assert not [a for a in actions if isinstance(a, Create)]
    assert condition(actions, "Progressing")["reason"] == "DeploymentPaused"  # type: ignore[index]


def test_scaling_in_mid_rollout_is_proportional() -> None:
    d = deployment(
        replicas=15,
        image="new",
        strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}},
    )
    old, new = set_of(d, 8, image="old"), set_of(d, 5, number=2)
    for rs in (old, new):
        rs["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] = "10"
        rs["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"] = "13"
    assert proportional(d, [old, new]) == {meta.name(old): 11, meta.name(new): 7}
    assert sizes(run(d, old, new)) == {meta.name(old): 11, meta.name(new): 7}


def test_recreate_waits_until_the_last_old_pod_is_gone() -> None:
    d = deployment(replicas=2, image="new", strategy={"type": "Recreate"})
    old = set_of(d, 2, image="old")
    assert sizes(run(d, old)) == {meta.name(old): 0}
    old = set_of(d, 0, image="old")
    leaving = pod("a", old, deletionTimestamp=ago(1))
    assert not [a for a in run(d, old, leaving) if isinstance(a, Create | Update)]
    (created,) = [a.obj for a in run(d, old) if isinstance(a, Create)]
    assert created["spec"]["replicas"] == 2


def test_no_progress_for_too_long_is_said() -> None:
    d = deployment(replicas=2, progressDeadlineSeconds=60)
    late = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": ago(61),
            "lastTransitionTime": ago(61)}  # fmt: skip
    d["status"] = {"replicas": 2, "updatedReplicas": 2, "observedGeneration": 1, "conditions": [late]}
    new = set_of(d, 2, available=0)
    progressing = condition(run(d, new), "Progressing")
    assert progressing is not None
    assert (progressing["status"], progressing["reason"]) == ("False", "ProgressDeadlineExceeded")
    assert progressing["message"] == f'ReplicaSet "{meta.name(new)}" has timed out progressing.'


def test_the_deadline_is_looked_at_again_in_time() -> None:
    d = deployment(replicas=2, progressDeadlineSeconds=60)
    (requeue,) = [a for a in run(d, set_of(d, 2, available=0)) if isinstance(a, RequeueAfter)]
    assert 60 <= requeue.seconds <= 61


def test_a_foreign_set_of_the_same_name_counts_as_a_collision() -> None:
    d = deployment(replicas=1)
    foreign = {**new_set(d, 1, 1, 1)}
    foreign["metadata"] = {
        **foreign["metadata"],
        "ownerReferences": [meta.owner_reference(replicaset("other"))],
    }
    actions = run(d, foreign)
    assert not [a for a in actions if isinstance(a, Create)]
    (status,) = [a.status for a in actions if isinstance(a, SetStatus)]
    assert status["collisionCount"] == 1
    d["status"] = status
    (created,) = [a.obj for a in run(d, foreign) if isinstance(a, Create)]
    assert created["metadata"]["name"] != foreign["metadata"]["name"]


def test_an_empty_selector_is_refused() -> None:
    d = deployment()
    d["spec"]["selector"] = {}
    assert messages(run(d)) == ["This deployment is selecting all pods. A non-empty selector is required."]


def test_a_status_that_lags_behind_does_not_count_pods_that_are_going_away() -> None:
    """Three were wanted, the old set is to keep two of its three pods, and its status still says three available."""
    owner = deployment(
        replicas=3, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
    )
    old, new = replicaset("old", replicas=2, owner=owner), replicaset("new", replicas=2, owner=owner)
    old["status"] = {"replicas": 3, "availableReplicas": 3}
    new["status"] = {"replicas": 1, "availableReplicas": 1}
    assert rolled_down(owner, new, [old]) == {"old": 1}


@pytest.mark.parametrize("text", ["9" * 5000, "9" * 4300, str(2**63)])
def test_annotations_that_somebody_wrote_too_large_count_as_none(text: str) -> None:
    rs = replicaset()
    rs["metadata"]["annotations"] = {DESIRED_REPLICAS: text, REVISION: text}
    assert (annotation_number(rs, DESIRED_REPLICAS), revision(rs)) == (None, 0)
