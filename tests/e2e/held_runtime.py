"""A runtime of RuntimeClass `held`: runc, which waits where a test tells it to, or is not there at all.

It stands on the PATH of the cluster as `crun`, which pinnace then offers as a handler. `hold(POD, "sandbox")` stops the making of that
pod's sandbox, `hold(POD, "container")` the start of its containers, until `release()`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """#!/bin/sh
case " $* " in *" create "*)
    bundle=$(printf '%s\\n' "$@" | sed -n '/^--bundle$/{n;p;}')
    for hold in DIRECTORY/hold/*; do
        what=${hold##*/}
        if grep -q "cri.sandbox-name\\":\\"${what%.*}\\"" "$bundle/config.json" &&
           grep -q "cri.container-type\\":\\"${what##*.}\\"" "$bundle/config.json"; then
            touch "DIRECTORY/reached/$what"
            while [ -e "$hold" ]; do sleep 0.05; done
        fi
    done
esac
exec runc "$@"
"""
CLASS = {
    "apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "held"}, "handler": "crun",
}  # fmt: skip


@dataclass(frozen=True)
class HeldRuntime:
    directory: Path

    @property
    def program(self) -> Path:
        return self.directory / "bin" / "crun"

    def install(self) -> None:
        self.program.write_text(SCRIPT.replace("DIRECTORY", str(self.directory)))
        self.program.chmod(0o755)

    def hold(self, pod: str, what: str) -> None:
        (self.directory / "hold" / f"{pod}.{what}").touch()

    def has_reached(self, pod: str, what: str) -> bool:
        return (self.directory / "reached" / f"{pod}.{what}").exists()

    def release(self) -> None:
        for path in (self.directory / "hold").iterdir():
            path.unlink()


@contextmanager
def held_runtime(directory: Path) -> Iterator[HeldRuntime]:
    """On the PATH of every process that is started meanwhile."""
    for name in ("bin", "hold", "reached"):
        (directory / name).mkdir(parents=True)
    made = HeldRuntime(directory)
    made.install()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{made.program.parent}:{os.environ['PATH']}")
        try:
            yield made
        finally:
            made.release()


def held(body: dict[str, Any]) -> dict[str, Any]:
    """The pod, run by the held runtime."""
    return {**body, "spec": {**body["spec"], "runtimeClassName": "held"}}
