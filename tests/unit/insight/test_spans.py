"""Recorded spans: trees, words, the picture, and following."""

import json
import xml.etree.ElementTree as ET
from typing import Any

from pinnace.insight.following import Following, is_settled
from pinnace.insight.picture import as_svg
from pinnace.insight.span_tree import as_text, duration
from pinnace.insight.spans import trees, walk
from pinnace.insight.trace import roots, trace
from pinnace.insight.world import Unreadable
from unit.insight.recorded import NOW, Object, Recorded, event, obj, owned, pod

UID = "Pod-web"
T0 = 1767268200.0  # 2026-01-01 11:50:00


def span(
    id: str, part: str, name: str, what: str, start: float, took: float | None = 0.001, **more: Any
) -> Object:
    resource, _, called = what.partition("/")
    return {
        "spanID": id, "traceID": "t", "parentSpanID": more.pop("parent", ""), "part": part, "name": name, "resource": resource,
        "namespace": "shop", "object": called, "uid": more.pop("uid", ""), "start": T0 + start,
        "end": None if took is None else T0 + start + took, "cause": more.pop("cause", ""), "facts": more,
    }  # fmt: skip


def story() -> list[Object]:
    """A pod from the request to its node; the node's agent is another process, of which only the cause is known."""
    return [
        span("1", "apiserver", "create", "pods/web", 0, 0.009, revision="10", user="jane", userAgent="kubectl/v1.36 (linux)",
             sourceIP="10.0.0.7", milliseconds={"authorization": 0.04, "store": 1.5},
             admissionChanges=[{"by": "Priority", "fields": ["spec.priority"]}], uid=UID),
        span("2", "default-scheduler", "schedule", "pods/web", 0.010, attempt=2, node="n1", feasibleNodes=1, nodes=3,
             waitedMilliseconds=4.0, rejectedBy={"NodeResourcesFit": 2}, bestNodes=[{"node": "n1", "total": 99}], parent="1", uid=UID),
        span("3", "apiserver", "create", "pods/web", 0.011, subresource="binding", revision="11", parent="2", uid=UID,
             user="system:kube-scheduler"),
        span("4", "kubelet", "run pod", "pods/web", 0.02, None, cause="11", node="n1", uid=UID),
        span("5", "kubelet", "pull image", "pods/web", 0.03, 2.5, parent="4", image="reg/<x>&y:1", error="slow & \"bad\"", uid=UID),
    ]  # fmt: skip


EXPECTED = """\
          AT        TOOK  since 2026-01-01 11:50:00.000Z
     +0.0 ms      9.0 ms  apiserver: create pod/web by jane (kubectl/v1.36) from 10.0.0.7 -> revision 10
                          │   authorization 0.04 ms, store 1.50 ms
                          │   Priority changed spec.priority
    +10.0 ms      1.0 ms  └─ scheduler: schedule pod/web, attempt 2: chose n1, 1 of 3 nodes fit, waited 4.0 ms
                             │   refused: 2 by NodeResourcesFit
                             │   best: n1 99
    +11.0 ms      1.0 ms     └─ apiserver: bind pod/web by system:kube-scheduler -> revision 11
    +20.0 ms     goes on        └─ kubelet: run pod/web on n1
    +30.0 ms     2.500 s           └─ kubelet: pull image pod/web reg/<x>&y:1: slow & "bad\""""


def test_a_tree_with_times() -> None:
    assert "\n".join(as_text(trees(story()))) == EXPECTED


def test_spans_of_two_processes_are_joined_by_revision_or_by_the_last_write() -> None:
    told = story()
    told[3]["cause"] = "12"  # the agent saw a later revision, whose writer is not known
    [root] = trees(told)
    by_id = {node.id: node for _, node in walk([root])}
    assert by_id["4"].parent is by_id["3"]


def test_a_circle_of_parents_is_cut() -> None:
    one, two = (
        span("1", "a", "x", "pods/web", 0, parent="2"),
        span("2", "b", "y", "pods/web", 0.001, parent="1"),
    )
    assert [node.id for _, node in walk(trees([one, two]))] in (["1", "2"], ["2", "1"])


def test_of_very_many_alike_the_first_are_shown() -> None:
    children = [
        span(str(at), "apiserver", "create", f"pods/p{at}", at / 1000, parent="0") for at in range(1, 26)
    ]
    text = as_text(trees([span("0", "replicaset", "reconcile", "replicasets.apps/web", 0), *children]))
    assert text[-1].endswith("└─ ... 22 more: apiserver: create pod, 22 spans")
    assert len(text) == 1 + 1 + 3 + 1


def test_users_by_short_names() -> None:
    def by(user: str) -> str:
        return as_text(trees([span("1", "apiserver", "update", "pods/web", 0, user=user)]))[1].partition(
            " by "
        )[2]

    assert by("system:serviceaccount:kube-system:job-controller") == "job-controller"
    assert by("system:serviceaccount:shop:robot") == "serviceaccount shop/robot"
    assert by("system:node:n1") == "node n1"


def test_the_picture_is_xml_with_a_bar_and_words_for_each_span() -> None:
    drawn = as_svg(trees(story()), 'trace <pod>/"web" & more')
    root = ET.fromstring(drawn)
    ns = "{http://www.w3.org/2000/svg}"
    bars = root.findall(f"{ns}g/{ns}rect")
    starts = [float(bar.attrib["x"]) for bar in bars]
    assert len(bars) == 5
    assert starts == sorted(starts)
    assert all(float(bar.attrib["width"]) > 0 for bar in bars)
    words = ["".join(one.itertext()) for one in root.iter(f"{ns}text")]
    assert any('pull image pod/web reg/<x>&y:1: slow & "bad"' in text for text in words)
    assert root.findtext(f"{ns}title") == 'trace <pod>/"web" & more'
    assert "href" not in drawn


def test_durations() -> None:
    assert [duration(one) for one in (0.0, 0.0123, 1.5, 75.2)] == ["0.0 ms", "12.3 ms", "1.500 s", "1m15.2s"]


class Server(Recorded):
    """With a record; `page` adds to what it says of it. The nodes' agents know `on_nodes`."""

    def __init__(
        self,
        objects: list[Object],
        spans: list[Object],
        on_nodes: dict[str, list[Object]] | None = None,
        **page: Any,
    ) -> None:
        super().__init__(objects)
        self.told, self.on_nodes, self.page = spans, on_nodes or {}, page
        self.asked: list[tuple[tuple[str, str, str], list[str], str]] = []

    def spans(self, about: tuple[str, str, str], uids: list[str], node: str = "") -> Object | None:
        self.asked.append((about, uids, node))
        return {"spans": self.on_nodes.get(node, []) if node else self.told, "since": T0 - 100, **self.page}


def pods_story(**metadata: Any) -> tuple[Object, list[Object]]:
    made = pod("web", node="n1", metadata={"creationTimestamp": "2026-01-01T11:50:00Z", **metadata})
    return made, story()


def test_the_record_comes_first_and_events_that_it_does_not_tell_follow() -> None:
    made, told = pods_story()
    when = {"eventTime": "2026-01-01T11:50:09.000000Z"}
    created = {**event(made, "Created", "Container created", "Normal"), **when}
    backoff = {**event(made, "BackOff", "Back-off pulling image", "Warning"), **when}
    text = trace([made], Server([made, created, backoff], told), NOW, Unreadable).as_text()
    assert text.startswith(EXPECTED)
    assert "BackOff: Back-off pulling image" in text
    assert "Container created" not in text
    found = json.loads(trace([made], Server([made], told), NOW, Unreadable).as_json())
    assert [one["name"] for one in found["spans"]] == [
        "create",
        "schedule",
        "create",
        "run pod",
        "pull image",
    ]
    assert found["spans"][0]["start"] == "2026-01-01T11:50:00.000000Z"
    assert found["spans"][4]["milliseconds"] == 2500.0
    assert found["spans"][3]["parentSpanID"] == "3"


def test_the_node_is_asked_where_the_server_knows_nothing_of_it() -> None:
    made, told = pods_story()
    server = Server([made], told[:3], {"n1": told[3:]})
    text = trace([made], server, NOW, Unreadable).as_text()
    assert text == EXPECTED + "\n"
    assert server.asked == [(("pods", "shop", "web"), [UID], ""), (("pods", "", ""), [UID], "n1")]
    whole = Server([made], told)
    trace([made], whole, NOW, Unreadable).as_text()
    assert [node for _, _, node in whole.asked] == [""]


def test_what_the_record_cannot_tell_is_said() -> None:
    made, told = pods_story()
    late = trace([made], Server([made], told[3:], since=T0 + 60), NOW, Unreadable).as_text()
    assert "pod/web is older than the record, which began 2026-01-01 11:51:00.000Z with the server." in late
    full = trace([made], Server([made], told[3:], droppedUntil=T0 + 5, leftOut=3), NOW, Unreadable).as_text()
    assert "What happened before 2026-01-01 11:50:05.000Z had to make room in the record." in full
    assert "3 spans more are left out." in full


def test_without_a_record_there_is_the_timeline_and_no_picture() -> None:
    made, _ = pods_story()
    assert "pod/web" in trace([made], Recorded([made]), NOW, Unreadable).as_text()
    assert trace([made], Recorded([made]), NOW, Unreadable).as_svg("t") is None
    assert roots([made], Recorded([made]), NOW, Unreadable) is None
    drawn = trace([made], Server([made], story()), NOW, Unreadable).as_svg("t")
    assert drawn is not None
    assert drawn.startswith("<svg")


def test_an_object_of_the_family_without_spans_keeps_its_timeline() -> None:
    owner = obj("ReplicaSet", "rs", metadata={"creationTimestamp": "2026-01-01T11:49:00Z"})
    made, told = pods_story()
    made = owned(made, owner)
    server = Server([owner, made], told)
    text = trace([made], server, NOW, Unreadable).as_text()
    assert server.asked[0][1] == [UID]  # not its owner's: then its siblings would come, too
    assert "replicaset/rs  created" in text
    assert "pod/web        created" not in text


def test_following_shows_each_beginning_and_end_once() -> None:
    told, shown = story(), Following()
    first = shown.news(trees(told[:4]))
    assert first[0].split() == ["AT", "TOOK", "since", "2026-01-01", "11:50:00.000Z"]
    assert first[-1].split()[:4] == ["+20.0", "ms", "begins", "kubelet:"]
    assert shown.news(trees(told[:4])) == []
    told[3]["end"] = T0 + 3
    again = shown.news(trees(told))
    assert [line.split(":")[1].strip().partition("pod/")[0].strip() for line in again] == [
        "run",
        "pull image",
    ]
    assert "2.980 s" in again[0]


def test_settled() -> None:
    def workload(kind: str, status: Object, generation: int = 1) -> Object:
        return {
            "kind": kind,
            "metadata": {"generation": generation},
            "spec": {"replicas": 2},
            "status": status,
        }

    done = {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "availableReplicas": 2,
        "readyReplicas": 2,
    }
    assert is_settled(workload("Deployment", done))
    assert not is_settled(workload("Deployment", {**done, "replicas": 3}))
    assert not is_settled(workload("Deployment", done, generation=2))
    assert not is_settled(workload("Deployment", {}))
    assert is_settled(workload("StatefulSet", done))
    assert not is_settled(
        workload("DaemonSet", {"numberReady": 1, "desiredNumberScheduled": 2, "observedGeneration": 1})
    )
    assert is_settled(
        {"kind": "Job", "metadata": {}, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}
    )
    assert is_settled({"kind": "Service", "metadata": {}}) is None
    assert is_settled(pod("a", phase="Succeeded"))
    assert not is_settled(pod("a", phase="Pending"))


def test_of_many_pods_the_first_the_slowest_and_the_failed_are_shown_and_full_shows_all() -> None:
    children = [
        span(str(at), "apiserver", "create", f"pods/p{at}", at / 1000, parent="0") for at in range(1, 101)
    ]
    children[49]["end"] += 5
    children[69]["facts"] = {"error": "exceeded quota"}
    roots_of = trees([span("0", "replicaset", "reconcile", "replicasets.apps/web", 0), *children])
    text = as_text(roots_of)
    shown = [line.partition("pod/")[2].split()[0].rstrip(":") for line in text[2:] if "pod/" in line]
    assert shown == ["p1", "p2", "p3", "p50", "p70"]
    assert text[-1].split("└─ ")[1] == "... 95 more: apiserver: create pod, 95 spans"
    assert len(as_text(roots_of, is_full=True)) == 2 + 100
    bars = as_svg(roots_of, "t").count("<rect x=")
    assert as_svg(roots_of, "t", is_full=True).count("<rect x=") == bars + 95 - 1


def test_on_a_narrow_screen_long_lines_are_broken_below_their_words() -> None:
    wide = as_text(trees(story()))
    narrow = as_text(trees(story()), width=70)
    assert max(map(len, narrow)) <= 70
    words = [line[26:].lstrip("│├└─ ") for line in narrow[1:]]
    assert " ".join(words).split() == " ".join(line[26:].lstrip("│├└─ ") for line in wide[1:]).split()
    assert all(line.startswith(" " * 26) or line[:13].strip() for line in narrow)


def test_what_happens_long_after_gets_a_clock_of_its_own() -> None:
    told = [*story(), span("9", "apiserver", "patch", "pods/web", 3600, user="jane", uid=UID)]
    told[3]["end"] = T0 + 3
    later = span("10", "kubelet", "back-off", "pods/web", 7200, parent="4", container="main", seconds=10)
    text = as_text(trees([*told, later]))
    heads = [line.split("since ")[1] for line in text if "TOOK" in line]
    assert heads == [f"2026-01-01 {hour}:50:00.000Z" for hour in ("11", "12", "13")]
    assert text[-1].split()[:2] == ["+0.0", "ms"]


def test_where_nothing_is_recorded_following_tells_each_moment_once() -> None:
    made, _ = pods_story()
    when = {"eventTime": "2026-01-01T11:50:09.000000Z"}
    first = trace([made], Recorded([made]), NOW, Unreadable).timeline
    more = trace(
        [made], Recorded([made, {**event(made, "BackOff", "Back-off"), **when}]), NOW, Unreadable
    ).timeline
    following = Following()
    assert len(following.timeline_news(first)) == 1
    assert [line.split()[2:4] for line in following.timeline_news(more)] == [["+9s", "pod/web"]]
    assert following.timeline_news(more) == []
