"""`/livez`, `/readyz`, `/healthz`: named checks, each alone or all together, `?verbose` and `?exclude=`.

Output as upstream's: https://github.com/kubernetes/apiserver/blob/master/pkg/server/healthz/healthz.go
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Check = Callable[[], Awaitable[str]]  # "" when well, else why not


async def _ping() -> str:
    return ""


@dataclass(slots=True)
class Health:
    """Checks by name. `shutting_down` fails readiness before anything is closed."""

    live: dict[str, Check] = field(default_factory=lambda: {"ping": _ping})
    ready: dict[str, Check] = field(default_factory=lambda: {"ping": _ping})
    shutting_down: bool = False

    def __post_init__(self) -> None:
        self.ready["shutdown"] = self._shutdown

    async def _shutdown(self) -> str:
        return "process is shutting down" if self.shutting_down else ""

    def checks(self, path: str) -> dict[str, Check]:
        return self.ready if path == "readyz" else self.live

    async def report(self, path: str, *, verbose: bool, exclude: frozenset[str]) -> tuple[int, str]:
        """(HTTP status, text)."""
        lines, failed = [], False
        for name, check in self.checks(path).items():
            if name in exclude:
                lines.append(f"[+]{name} excluded: ok")
                continue
            why = await check()
            failed = failed or bool(why)
            lines.append(f"[-]{name} failed: {why}" if why else f"[+]{name} ok")
        unknown = exclude - set(self.checks(path))
        if unknown:
            lines.append(f"warn: some health checks cannot be excluded: no matches for {sorted(unknown)}")
        if failed:
            return 500, "\n".join([*lines, f"{path} check failed", ""])
        return 200, "\n".join([*lines, f"{path} check passed", ""]) if verbose else "ok"

    async def one(self, path: str, name: str) -> tuple[int, str] | None:
        """A single check, `/readyz/ping`; None when there is no such check."""
        check = self.checks(path).get(name)
        if check is None:
            return None
        why = await check()
        return (500, f"internal server error: {why}\n") if why else (200, "ok")
