from datetime import timedelta

from pinnace.api import meta
from pinnace.controllers.daemonset import reconcile
from pinnace.controllers.daemonset.placement import HASH_LABEL, daemon_pod, target_node
from pinnace.controllers.history import snapshot
from pinnace.controllers.runtime import Create, Delete, Emit, Patch, SetStatus, Update, World
from unit.controllers.builders import NOW, Object, ago, daemonset, node, pod


def revision_of(ds: Object, number: int = 1) -> Object:
    revision = snapshot(ds, number, None, HASH_LABEL)
    revision["metadata"] |= {"uid": f"rev-{number}", "resourceVersion": "1"}
    return revision


def daemon(ds: Object, node_name: str, revision: Object, **options: object) -> Object:
    labels = {
        "app": "agent",
        "controller-revision-hash": revision["metadata"]["labels"]["controller-revision-hash"],
    }
    return pod(f"agent-{node_name}", ds, node=node_name, labels=labels, **options)  # type: ignore[arg-type]


def run(ds: Object, *objects: Object) -> list:
    return list(reconcile(ds, World.of([ds, *objects], NOW)))


def status(actions: list) -> Object:
    return next(a.status for a in actions if isinstance(a, SetStatus))


def created_on(actions: list) -> list[str]:
    return [target_node(a.obj) for a in actions if isinstance(a, Create) and a.obj["kind"] == "Pod"]


def test_the_template_is_written_down_before_pods_are_made() -> None:
    ds = daemonset()
    actions = run(ds, node("a"))
    (revision,) = [a.obj for a in actions if isinstance(a, Create)]
    assert revision["kind"] == "ControllerRevision"
    assert revision["revision"] == 1
    assert revision["data"]["spec"]["template"]["$patch"] == "replace"


def test_one_pod_per_eligible_node() -> None:
    tainted = node("tainted")
    tainted["spec"]["taints"] = [{"key": "x", "effect": "NoSchedule"}]
    cordoned = node("cordoned")
    cordoned["spec"]["taints"] = [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    ds = daemonset()
    actions = run(ds, revision_of(ds), node("a"), tainted, cordoned)
    assert created_on(actions) == ["a", "cordoned"]
    assert status(actions)["desiredNumberScheduled"] == 2


def test_a_node_selector_limits_the_nodes() -> None:
    ds = daemonset()
    ds["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    actions = run(ds, revision_of(ds), node("a"), node("b", labels={"disk": "ssd"}))
    assert created_on(actions) == ["b"]


def test_a_daemon_is_pinned_by_affinity_and_tolerates_trouble() -> None:
    made = daemon_pod(daemonset(), "a", "abc")
    required = made["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required == {
        "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}]
    }
    keys = {(t["key"].removeprefix("node.kubernetes.io/"), t["effect"]) for t in made["spec"]["tolerations"]}
    assert keys == {
        ("not-ready", "NoExecute"), ("unreachable", "NoExecute"), ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"), ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"),
    }  # fmt: skip
    assert made["metadata"]["labels"]["controller-revision-hash"] == "abc"


def test_pods_leave_nodes_that_are_no_longer_eligible() -> None:
    ds = daemonset()
    bad = node("a")
    bad["spec"]["taints"] = [{"key": "x", "effect": "NoExecute"}]
    actions = run(ds, revision_of(ds), bad, daemon(ds, "a", revision_of(ds)))
    assert [meta.name(a.obj) for a in actions if isinstance(a, Delete)] == ["agent-a"]
    assert status(actions)["numberMisscheduled"] == 1


def test_status_counts() -> None:
    ds = daemonset()
    revision = revision_of(ds)
    actions = run(
        ds, revision, node("a"), node("b"), node("c"),
        daemon(ds, "a", revision), daemon(ds, "b", revision, ready=False),
    )  # fmt: skip
    assert status(actions) == {
        "currentNumberScheduled": 2, "numberMisscheduled": 0, "desiredNumberScheduled": 3, "numberReady": 1,
        "observedGeneration": 1, "updatedNumberScheduled": 2, "numberAvailable": 1, "numberUnavailable": 2,
    }  # fmt: skip


def test_a_rolling_update_replaces_one_at_a_time() -> None:
    old = daemonset()
    before = revision_of(old)
    ds = daemonset(
        template={**old["spec"]["template"], "spec": {"containers": [{"name": "main", "image": "new"}]}}
    )
    now = revision_of(ds, 2)
    nodes = [node(name) for name in "abc"]
    world = [before, now, *nodes]
    actions = run(ds, *world, *(daemon(ds, n, before) for n in "abc"))
    assert [meta.name(a.obj) for a in actions if isinstance(a, Delete)] == ["agent-a"]
    busy = [daemon(ds, "a", now, ready=False), daemon(ds, "b", before), daemon(ds, "c", before)]
    assert not [a for a in run(ds, *world, *busy) if isinstance(a, Delete)]


def test_surge_starts_the_new_pod_beside_the_old_one() -> None:
    old = daemonset()
    before = revision_of(old)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    ds = daemonset(
        template={**old["spec"]["template"], "spec": {"containers": [{"name": "main", "image": "new"}]}},
        updateStrategy=strategy,
    )
    now = revision_of(ds, 2)
    world = [before, now, node("a"), node("b")]
    actions = run(ds, *world, daemon(ds, "a", before), daemon(ds, "b", before))
    assert created_on(actions) == ["a"]
    assert not [a for a in actions if isinstance(a, Delete)]
    new = daemon(ds, "a", now)
    new["metadata"] |= {"name": "agent-a-new", "uid": "new"}
    actions = run(ds, *world, daemon(ds, "a", before), new, daemon(ds, "b", before))
    assert [meta.name(a.obj) for a in actions if isinstance(a, Delete)] == ["agent-a"]


def test_on_delete_waits_for_the_user() -> None:
    ds = daemonset(updateStrategy={"type": "OnDelete"})
    other = snapshot(
        daemonset(template={"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": []}}),
        1,
        None,
        HASH_LABEL,
    )
    actions = run(ds, revision_of(ds, 2), node("a"), daemon(ds, "a", other))
    assert not [a for a in actions if isinstance(a, Delete)]


def test_going_back_makes_an_old_revision_the_newest() -> None:
    ds = daemonset()
    mine = revision_of(ds, 1)
    other = snapshot(
        daemonset(template={"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": []}}),
        2,
        None,
        HASH_LABEL,
    )
    other["metadata"] |= {"uid": "rev-2"}
    (update,) = [a.obj for a in run(ds, mine, other) if isinstance(a, Update)]
    assert (meta.name(update), update["revision"]) == (meta.name(mine), 3)


def test_failed_daemons_are_replaced_after_a_back_off() -> None:
    ds = daemonset()
    memory: dict = {}
    world = World.of(
        [ds, revision_of(ds), node("a"), daemon(ds, "a", revision_of(ds), phase="Failed")], NOW, memory=memory
    )
    first = list(reconcile(ds, world))
    assert [type(a) for a in first if isinstance(a, Delete)] == [Delete]
    assert [a.reason for a in first if isinstance(a, Emit)] == ["FailedDaemonPod"]
    assert not [a for a in reconcile(ds, world) if isinstance(a, Delete)]


def test_a_terminating_pod_holds_its_place() -> None:
    ds = daemonset()
    leaving = daemon(ds, "a", revision_of(ds), deletionTimestamp=ago(1))
    assert created_on(run(ds, revision_of(ds), node("a"), leaving)) == []


def surging(ds: Object, before: Object, now: Object, *, old_ready: bool, new_ready: bool) -> list[str]:
    new = daemon(ds, "a", now, ready=new_ready)
    new["metadata"] |= {"name": "agent-a-new", "uid": "new"}
    actions = run(ds, before, now, node("a"), daemon(ds, "a", before, ready=old_ready), new)
    return [meta.name(a.obj) for a in actions if isinstance(a, Delete) and a.obj["kind"] == "Pod"]


def test_with_surge_an_old_pod_goes_when_it_is_not_ready_or_the_new_one_is_available() -> None:
    old = daemonset()
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    ds = daemonset(
        template={**old["spec"]["template"], "spec": {"containers": [{"name": "main", "image": "new"}]}},
        updateStrategy=strategy,
    )
    before, now = revision_of(old), revision_of(ds, 2)
    assert surging(ds, before, now, old_ready=True, new_ready=False) == []
    assert surging(ds, before, now, old_ready=False, new_ready=False) == ["agent-a"]
    assert surging(ds, before, now, old_ready=True, new_ready=True) == ["agent-a"]


def test_a_revision_without_a_hash_gets_its_name_as_one() -> None:
    ds = daemonset()
    bare = revision_of(ds)
    del bare["metadata"]["labels"][HASH_LABEL]
    (patch,) = run(ds, bare)
    assert isinstance(patch, Patch)
    assert patch.body == {"metadata": {"labels": {HASH_LABEL: meta.name(bare)}}}


def test_of_two_revisions_with_one_template_the_newer_stays_and_no_pod_is_restarted() -> None:
    ds = daemonset()
    first, second = revision_of(ds, 1), revision_of(ds, 2)
    second["metadata"]["name"] = "agent-by-hand"
    second["metadata"]["labels"] = {**meta.labels(second), HASH_LABEL: "other"}
    relabel, delete = run(ds, first, second, node("a"), daemon(ds, "a", first))
    assert isinstance(relabel, Patch)
    assert relabel.body == {"metadata": {"labels": {HASH_LABEL: "other"}}}
    assert isinstance(delete, Delete)
    assert meta.name(delete.obj) == meta.name(first)


def test_with_surge_a_node_gets_a_pod_while_its_last_one_leaves() -> None:
    surge = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    for strategy, made in ((surge, ["a"]), ({"type": "OnDelete"}, [])):
        ds = daemonset(updateStrategy=strategy)
        leaving = daemon(ds, "a", revision_of(ds), deletionTimestamp=ago(1))
        assert created_on(run(ds, revision_of(ds), node("a"), leaving)) == made


def test_a_daemon_that_fails_for_weeks_is_still_replaced() -> None:
    ds = daemonset()
    fact = ("failed-daemon", meta.uid(ds), "a")
    memory = {fact: (2000, NOW - timedelta(seconds=901))}
    broken = daemon(ds, "a", revision_of(ds), phase="Failed", ready=False)
    actions = list(reconcile(ds, World.of([ds, revision_of(ds), node("a"), broken], NOW, memory=memory)))
    assert [a.obj for a in actions if isinstance(a, Delete)] == [broken]
