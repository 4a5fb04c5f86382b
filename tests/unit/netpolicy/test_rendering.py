"""What `nft` is told."""

import shutil
import subprocess
from typing import Any

import pytest

from pinnace.netpolicy import rendering
from unit.netpolicy.test_enforcement import (
    CLIENT,
    FROM_CLIENT,
    WEB,
    enforced,
    listening,
    pod,
    policy,
    tell_pod,
    tell_policy,
)

TABLE = "inet t"
MANY_KINDS: dict[str, Any] = {
    "ingress": [
        FROM_CLIENT,
        {"ports": [{"port": 80}, {"port": 90, "endPort": 95}, {"port": "http"}, {"protocol": "UDP"}]},
        {
            "from": [
                {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}},
                {"ipBlock": {"cidr": "::/0"}},
            ]
        },
        {"from": [{"namespaceSelector": {}}], "ports": [{"port": "http"}, {"port": 7, "protocol": "SCTP"}]},
        {},
    ],
    "egress": [
        {"to": [{"ipBlock": {"cidr": "10.42.0.0/16"}}, {"podSelector": {}}], "ports": [{"port": "http"}]}
    ],
}


def test_pods_do_not_add_rules() -> None:
    made = enforced([WEB, CLIENT], [policy("p.with.dots", **MANY_KINDS), policy("deny")], a={})
    few = rendering.transaction(TABLE, made.table.everything())
    for number in range(50):
        tell_pod(made, pod(f"web-{number}", f"10.42.3.{number}", app="web"))
    many = rendering.transaction(TABLE, made.table.everything())
    assert few.count("add rule") == many.count("add rule")
    assert few.count("add set") == many.count("add set")


def test_a_change_of_nothing_is_no_transaction() -> None:
    made = enforced([WEB], [policy()])
    made.table.take_changes()
    tell_pod(made, {**WEB, "status": {**WEB["status"], "conditions": [{"type": "Ready"}]}})
    assert rendering.transaction(TABLE, made.table.take_changes()) == ""


@pytest.mark.skipif(not shutil.which("nft", path="/usr/sbin:/usr/bin"), reason="nft is not installed")
def test_nft_takes_every_transaction_of_a_history() -> None:
    web = listening(pod("web", "10.42.0.2,fd00::2", app="web"), 80, "http")
    made = enforced([web, CLIENT], [policy("p.with.dots", **MANY_KINDS)], a={})
    texts = [rendering.base_table(TABLE) + rendering.transaction(TABLE, made.table.everything())]

    def step() -> None:
        texts.append(rendering.transaction(TABLE, made.table.take_changes()))
        assert texts[-1]

    for number in range(600):
        tell_pod(made, pod(f"web-{number}", f"10.42.{1 + number // 200}.{number % 200}", app="web"))
    step()
    tell_policy(made, policy("second", egress=[{}], podSelector={"matchLabels": {"app": "web"}}))
    step()
    tell_policy(made, policy("p.with.dots", ingress=[]))
    step()
    made.set_pod(("a", "web"), None)
    step()
    for name in ("p.with.dots", "second"):
        made.set_policy(("a", name), None)
    step()
    script = "\n".join(f"nft -f - <<'EOF' || exit 1\n{text}EOF" for text in texts) + "\nnft list table inet t"
    done = subprocess.run(
        ["unshare", "--net", "sh"],
        input=script, capture_output=True, text=True, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )  # fmt: skip
    if "unshare failed" in done.stderr:
        pytest.skip("network namespaces need root")
    assert done.returncode == 0, done.stderr
    assert "web" not in done.stdout
    assert "goto judge" not in done.stdout
    assert done.stdout.count("chain ") == 3  # what does not depend on policies
