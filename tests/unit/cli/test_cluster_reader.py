"""How `why` and `trace` ask a cluster."""

from typing import Any

import pytest

from pinnace.cli.cluster_reader import ClusterReader
from pinnace.cli.errors import ServerError
from pinnace.insight.world import KINDS


class Http:
    """Answers by path; `asked` keeps what was asked for."""

    def __init__(self, answers: dict[str, list[Any]]) -> None:
        self._answers, self.asked = answers, list[tuple[str, dict[str, str]]]()

    def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        self.asked.append((path, dict(query or {})))
        answer = self._answers[path].pop(0)
        if isinstance(answer, int):
            raise ServerError({"code": answer, "reason": "Forbidden", "message": "m"})
        return answer

    def raw(self, _: str, path: str, query: dict[str, str], *, accept: str) -> bytes:
        assert accept
        text: str = self.get(path, query)
        return text.encode()


def reader(answers: dict[str, list[Any]]) -> tuple[ClusterReader, Http]:
    http = Http(answers)
    return ClusterReader(http), http  # type: ignore[arg-type]


def test_lists_are_read_page_by_page() -> None:
    path = "/apis/apps/v1/namespaces/shop/deployments"
    pages = [{"items": [{"a": 1}], "metadata": {"continue": "next"}}, {"items": [{"a": 2}], "metadata": {}}]
    made, http = reader({path: pages})
    assert made.every(KINDS["Deployment"], "shop") == [{"a": 1}, {"a": 2}]
    assert http.asked == [(path, {"limit": "500"}), (path, {"limit": "500", "continue": "next"})]


def test_what_is_not_there_is_told_apart_from_what_is_forbidden() -> None:
    made, _ = reader({"/api/v1/nodes/n1": [404, 403], "/apis/autoscaling/v2/horizontalpodautoscalers": [404]})
    assert made.get(KINDS["Node"], "", "n1") is None
    with pytest.raises(ServerError):
        made.get(KINDS["Node"], "", "n1")
    assert made.every(KINDS["HorizontalPodAutoscaler"], "") == []


def test_logs_of_containers_that_never_ran_are_empty() -> None:
    path = "/api/v1/namespaces/shop/pods/web/log"
    made, http = reader({path: [400, "a\nb\n"]})
    assert made.log("shop", "web", "main", previous=True) == []
    assert made.log("shop", "web", "main", previous=False) == ["a", "b"]
    assert [query.get("previous") for _, query in http.asked] == ["true", None]


def test_events_are_selected_by_the_server() -> None:
    made, http = reader({"/api/v1/namespaces/shop/events": [{"items": []}]})
    made.events("shop", {"involvedObject.kind": "Pod", "involvedObject.name": "web"})
    assert http.asked[0][1]["fieldSelector"] == "involvedObject.kind=Pod,involvedObject.name=web"
