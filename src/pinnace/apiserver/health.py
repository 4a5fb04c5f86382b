"""`/livez`, `/readyz`, `/healthz`: named checks, each alone or all together, `?verbose` and `?exclude=`.

Output as upstream's: https://github.com/kubernetes/apiserver/blob/master/pkg/server/healthz/healthz.go
A step of the start is a check from the beginning, under upstream's name of its hook, and fails until the step is done.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from pinnace.component.metrics import Family

log = logging.getLogger(__name__)

Check = Callable[[], Awaitable[str]]  # "" when well, else why not
HOOK = "poststarthook/"
# The steps of the start, in order; each is done by `bootstrap` or `server`.
STEPS = (
    HOOK + "start-apiextensions-informers", HOOK + "crd-informer-synced", HOOK + "priority-and-fairness-config-consumer",
    HOOK + "scheduling/bootstrap-system-priority-classes", HOOK + "rbac/bootstrap-roles",
    HOOK + "priority-and-fairness-config-producer", HOOK + "kube-apiserver-autoregistration", "autoregister-completion",
    HOOK + "start-kubernetes-service-cidr-controller", HOOK + "bootstrap-controller",
    HOOK + "start-kube-aggregator-informers", HOOK + "apiservice-status-remote-available-controller",
)  # fmt: skip


async def _ping() -> str:
    return ""


async def _log() -> str:
    """What was logged can be written."""
    try:
        for handler in logging.getLogger().handlers:
            handler.flush()
    except (OSError, ValueError) as error:
        return f"logging blocked: {error}"
    return ""


@dataclass(slots=True)
class Health:
    """Checks by name. `shutting_down` fails readiness before anything is closed."""

    live: dict[str, Check] = field(default_factory=lambda: {"ping": _ping, "log": _log})
    ready: dict[str, Check] = field(default_factory=lambda: {"ping": _ping, "log": _log})
    shutting_down: bool = False
    results: "Counter[tuple[str, str, str]]" = field(default_factory=Counter)  # name, type, status
    latest: dict[tuple[str, str], bool] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)

    def expect(self, *names: str) -> None:
        """These steps belong to the start: neither live nor ready before they are done."""
        for name in names:

            async def is_done(name: str = name) -> str:
                return "" if name in self._done else "not finished"

            self.live[name] = self.ready[name] = is_done

    def done(self, *names: str) -> None:
        self._done.update(names)

    def complete(self) -> None:
        """No more checks come; the one of the shutdown is the last, as upstream."""
        self.ready["shutdown"] = self._shutdown

    async def _shutdown(self) -> str:
        return "process is shutting down" if self.shutting_down else ""

    def checks(self, path: str) -> dict[str, Check]:
        return self.ready if path == "readyz" else self.live

    async def report(self, path: str, *, verbose: bool, exclude: frozenset[str]) -> tuple[int, str]:
        """(HTTP status, text). Why a check fails is for the log: everybody may ask."""
        lines, failed = [], {}
        for name, check in self.checks(path).items():
            if name in exclude:
                lines.append(f"[+]{name} excluded: ok")
                continue
            why = await self._run(path, name, check)
            if why:
                failed[name] = why
            lines.append(f"[-]{name} failed: reason withheld" if why else f"[+]{name} ok")
        unknown = sorted(exclude - set(self.checks(path)))
        if unknown:
            quoted = ",".join(f'"{name}"' for name in unknown)
            lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
        if failed:
            told = "; ".join(f"{name}: {why}" for name, why in failed.items())
            log.info("%s check failed: %s", path, told)
            return 500, "\n".join([*lines, f"{path} check failed", ""])
        return 200, "\n".join([*lines, f"{path} check passed", ""]) if verbose else "ok"

    async def one(self, path: str, name: str) -> tuple[int, str] | None:
        """A single check, `/readyz/ping`; None when there is no such check."""
        check = self.checks(path).get(name)
        if check is None:
            return None
        why = await self._run(path, name, check)
        return (500, f"internal server error: {why}\n") if why else (200, "ok")

    async def _run(self, path: str, name: str, check: Check) -> str:
        why = await check()
        self.results[name, path, "error" if why else "success"] += 1
        self.latest[name, path] = not why
        return why

    def families(self) -> Iterator[Family]:
        """`/metrics/slis`."""
        yield Family("kubernetes_healthcheck", "This metric records the result of a single healthcheck.", "gauge",
                     ("name", "type"), [(key, float(well)) for key, well in self.latest.items()])  # fmt: skip
        yield Family("kubernetes_healthchecks_total", "This metric records the results of all healthcheck.", "counter",
                     ("name", "type", "status"), list(self.results.items()))  # fmt: skip
