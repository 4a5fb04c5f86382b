"""Bootstrap tokens as `pinnace token` makes and shows them."""

import re
from datetime import UTC, datetime, timedelta

from pinnace.api.core import bootstrap_tokens
from pinnace.cluster import joining, tokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN = "abcdef.0123456789abcdef"


def test_a_generated_token_has_the_form_and_is_another_each_time() -> None:
    made = {tokens.generate() for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", one) for one in made)


def test_a_secret_says_what_the_token_may_until_when() -> None:
    made = tokens.secret(
        TOKEN,
        expires=NOW + timedelta(hours=24),
        description="for tests",
        usages=["signing"],
        groups=joining.BOOTSTRAPPERS,
    )
    assert made["metadata"] == {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}
    assert bootstrap_tokens.is_token(made)
    assert bootstrap_tokens.may(made, "signing")
    assert not bootstrap_tokens.may(made, "authentication")
    assert bootstrap_tokens.seconds_left(made, NOW) == 86400
    assert tokens.row(made, NOW) == {
        "TOKEN": TOKEN, "TTL": "24h", "EXPIRES": "2026-01-02T00:00:00Z", "USAGES": "signing", "DESCRIPTION": "for tests",
        "EXTRA GROUPS": "system:bootstrappers:kubeadm:default-node-token",
    }  # fmt: skip


def test_a_token_without_end_and_one_that_has_ended() -> None:
    for_ever = tokens.secret(TOKEN, expires=None, description="", usages=tokens.USAGES, groups="")
    shown = tokens.row(for_ever, NOW)
    assert (shown["TTL"], shown["EXPIRES"], shown["DESCRIPTION"]) == ("<forever>", "<never>", "<none>")
    ended = tokens.secret(TOKEN, expires=NOW, description="", usages=[], groups="")
    assert tokens.row(ended, NOW)["TTL"] == "<invalid>"
    assert tokens.row(ended, NOW)["USAGES"] == "<none>"
