"""kube-apiserver's flags about load reach the API server's configuration."""

from pathlib import Path

import pytest

from pinnace.cluster import security
from pinnace.cluster.errors import UsageError
from pinnace.cluster.security import SecurityFlags


def test_limits_reach_the_api_server_and_a_second_command_line() -> None:
    flags = SecurityFlags(
        enable_priority_and_fairness=False, max_requests_inflight=7, max_mutating_requests_inflight=3
    )
    settings = security.api_server_settings(flags, "https://issuer", Path("key"))
    assert settings["enable_priority_and_fairness"] is False
    assert (settings["max_requests_inflight"], settings["max_mutating_requests_inflight"]) == (7, 3)
    assert security.command_line(flags) == [
        "--enable-priority-and-fairness=false", "--max-requests-inflight=7", "--max-mutating-requests-inflight=3",
    ]  # fmt: skip


def test_somebody_must_be_let_in() -> None:
    flags = SecurityFlags(max_requests_inflight=0, max_mutating_requests_inflight=0)
    with pytest.raises(UsageError, match="their sum must be at least 1"):
        security.check(flags, "RBAC")
