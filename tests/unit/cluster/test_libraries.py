import os
import subprocess
import sys

import pytest

from pinnace.cluster.libraries import environment


def test_variables_are_there_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PINNACE_A", "before")
    monkeypatch.delenv("PINNACE_B", raising=False)
    with environment(PINNACE_A="now", PINNACE_B="now"):
        assert (os.environ["PINNACE_A"], os.environ["PINNACE_B"]) == ("now", "now")
    assert os.environ["PINNACE_A"] == "before"
    assert "PINNACE_B" not in os.environ


def test_the_system_s_authorities_stay_usable() -> None:
    """Only the context that aiohttp keeps for itself is empty."""
    program = (
        "import ssl; from pinnace.cluster import libraries; known = ssl.create_default_context().cert_store_stats();"
        "libraries.prepare(at_once=True); assert ssl.create_default_context().cert_store_stats() == known"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
