"""`top`: columns of what the metrics API says, laid out as kubectl lays them out."""

from typing import Any

import pytest

from pinnace.cli.commands import top
from pinnace.cli.flags import parse

METRICS = "/apis/metrics.k8s.io/v1beta1"


class Mapper:
    def find(self, name: str) -> Any:
        from pinnace.cli.mapper import Resource

        return Resource("", "v1", name, "Node", False, "node", [], [], [])


class Session:
    """Answers by path."""

    namespace, path, mapper = "default", "kubectl top pod", Mapper()

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers, self.http = answers, self

    def get(self, path: str, query: Any = None) -> Any:
        return self._answers[path]


def shown(capsys: pytest.CaptureFixture[str], kind: str, answers: dict[str, Any], *words: str) -> str:
    command = top.TOP.subcommands[kind]
    flags, arguments = parse(list(words), command.flags, "kubectl top")
    flags.setdefault("all-namespaces", False)
    assert command.run is not None
    assert command.run(Session(answers), flags, arguments) == 0  # type: ignore[arg-type]
    return capsys.readouterr().out.replace(" \n", "$\n")


def pods(*usages: dict[str, str]) -> dict[str, Any]:
    metadata = {"namespace": "default", "name": "web"}
    containers = [{"name": f"c{at}", "usage": usage} for at, usage in enumerate(usages)]
    return {
        f"{METRICS}/namespaces/default/pods": {"items": [{"metadata": metadata, "containers": containers}]}
    }


BOTH = pods({"cpu": "1500000n", "memory": "3072Ki"}, {"cpu": "10m", "memory": "1Mi", "swap": "5Mi"})


def test_a_cell_ends_with_a_tab_the_last_one_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "pod", BOTH) == (
        "NAME   CPU(cores)   MEMORY(bytes)  $\nweb    12m          4Mi            $\n"
    )


def test_swap_is_shown_when_asked_for_and_none_where_the_container_has_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert shown(capsys, "pod", BOTH, "--show-swap", "--containers") == (
        "POD   NAME   CPU(cores)   MEMORY(bytes)   SWAP(bytes)  $\n"
        "web   c0     2m           3Mi             0Mi          $\n"
        "web   c1     10m          1Mi             5Mi          $\n"
    )


def test_the_sum_stands_under_its_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "pod", BOTH, "--sum") == (
        "NAME   CPU(cores)   MEMORY(bytes)  $\n"
        "web    12m          4Mi            $\n"
        "       ________     ________       $\n"
        "       12m          4Mi            $\n"
    )


def node(name: str, **info: Any) -> dict[str, Any]:
    status = {"allocatable": {"cpu": "2", "memory": "100Mi"}, "capacity": {"cpu": "4", "memory": "200Mi"}}
    return {"metadata": {"name": name}, "status": {**status, "nodeInfo": info}}


def test_of_swap_a_share_of_what_the_node_says_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    """A node that does not say has an unknown share, and one that is not measured has unknown everything."""
    usage = {"cpu": "500m", "memory": "10Mi", "swap": "10Mi"}
    measured = [{"metadata": {"name": name}, "usage": usage} for name in ("a", "b")]
    nodes = [node("a", swap={"capacity": 20 << 20}), node("b"), node("c")]
    answers = {f"{METRICS}/nodes": {"items": measured}, "/api/v1/nodes": {"items": nodes}}
    assert [line.split() for line in shown(capsys, "node", answers, "--show-swap").splitlines()] == [
        ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)", "SWAP(bytes)", "SWAP(%)", "$"],
        ["a", "500m", "25%", "10Mi", "10%", "10Mi", "50%", "$"],
        ["b", "500m", "25%", "10Mi", "10%", "<unknown>", "<unknown>", "$"],
        ["c", *["<unknown>"] * 6, "$"],
    ]
    whole = shown(capsys, "node", answers, "--show-capacity")
    assert whole.splitlines()[1].split() == ["a", "500m", "12%", "10Mi", "5%", "$"]
