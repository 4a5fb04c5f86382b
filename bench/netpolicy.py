"""NetworkPolicy: CPU of one pod's change, and time until the kernel has it, at 1,000 pods and 200 policies (needs root)."""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from pinnace.netpolicy import model, rendering
from pinnace.netpolicy.enforcement import Enforcement

Object = dict[str, Any]
NODE, TABLE = "node", "inet bench_policies"
APPS = 100


def pod(number: int) -> Object:
    return {
        "metadata": {
            "name": f"p{number}",
            "namespace": f"ns{number % 10}",
            "labels": {"app": f"a{number % APPS}"},
        },
        "spec": {"nodeName": NODE, "containers": [{"ports": [{"name": "http", "containerPort": 80}]}]},
        "status": {"podIP": f"10.42.{number // 250}.{number % 250 + 1}"},
    }


def policy(number: int) -> Object:
    """Half of them select one application, half a whole namespace; peers by both selectors, a block, a named port."""
    target = {"matchLabels": {"app": f"a{number % APPS}"}} if number % 2 else {}
    peers = [
        {"podSelector": {"matchLabels": {"app": f"a{(number + 10) % APPS}"}}},
        {"namespaceSelector": {"matchLabels": {"team": f"t{number % 5}"}}},
        {"ipBlock": {"cidr": "192.0.2.0/24", "except": ["192.0.2.8/29"]}},
    ]
    rules = [{"from": peers, "ports": [{"port": "http"}, {"port": 8000, "endPort": 8100}]}]
    spec = {"podSelector": target, "ingress": rules, "policyTypes": ["Ingress"]}
    return {"metadata": {"name": f"n{number}", "namespace": f"ns{number % 10}"}, "spec": spec}


def built(pods: int, policies: int) -> Enforcement:
    made = Enforcement()
    for number in range(10):
        made.set_namespace(f"ns{number}", {"team": f"t{number % 5}"})
    for number in range(policies):
        made.set_policy((f"ns{number % 10}", f"n{number}"), model.policy(policy(number)))
    for number in range(pods):
        tell(made, pod(number))
    return made


def tell(made: Enforcement, obj: Object) -> None:
    made.set_pod((obj["metadata"]["namespace"], obj["metadata"]["name"]), model.pod(obj, NODE))


def nft(text: str) -> None:
    subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)


def milliseconds(work: Callable[[], None], clock: Callable[[], float]) -> float:
    begun = clock()
    work()
    return (clock() - begun) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--policies", type=int, default=200)
    options = parser.parse_args()
    if not os.environ.get("PINNACE_BENCH_NETNS"):  # a network of its own: nothing is left behind
        os.environ["PINNACE_BENCH_NETNS"] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    whole: list[Enforcement] = []
    took = milliseconds(lambda: whole.append(built(options.pods, options.policies)), time.process_time)
    (made,) = whole
    text = rendering.base_table(TABLE) + rendering.transaction(TABLE, made.table.everything())
    print(f"all of it: {took:.0f} ms CPU, {len(made.table.entries)} entries, {text.count('add rule')} rules")
    print(f"all of it into the kernel: {milliseconds(lambda: nft(text), time.perf_counter):.0f} ms")
    cpu, latency = [], []
    for number in range(options.pods, options.pods + 30):
        obj = pod(number)
        texts: list[str] = []

        def change(obj: Object = obj, texts: list[str] = texts) -> None:
            tell(made, obj)
            texts.append(rendering.transaction(TABLE, made.table.take_changes()))

        cpu.append(milliseconds(change, time.process_time))
        latency.append(milliseconds(lambda texts=texts: nft(texts[0]), time.perf_counter))  # type: ignore[misc]
    print(
        f"one new pod: {statistics.median(cpu):.2f} ms CPU (most {max(cpu):.2f}), last change:\n{texts[0].strip()}"
    )
    print(
        f"into the kernel: median {statistics.median(latency):.0f} ms, most {max(latency):.0f} ms (with starting nft)"
    )
    same = pod(0)
    print(
        f"a change that matters to nobody: {milliseconds(lambda: tell(made, same), time.process_time):.3f} ms CPU"
    )


if __name__ == "__main__":
    main()
