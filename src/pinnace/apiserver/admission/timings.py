"""How long admission takes: per plugin and per phase, apart for what was let through and what was refused."""

from collections.abc import Iterable, Iterator

from pinnace.component.metrics import Family, Histogram, Sample

SECONDS = (0.005, 0.025, 0.1, 0.5, 1, 2.5)


class Timing:
    """Of one plugin (`name`; "" for a whole phase), one operation, and admit or validate.

    `passed` are durations that are not counted in `accepted` yet: a phase has many plugins, and appending is what costs least.
    """

    __slots__ = ("accepted", "kind", "name", "operation", "passed", "refused")

    def __init__(self, name: str, operation: str, kind: str) -> None:
        self.name, self.operation, self.kind = name, operation, kind
        self.accepted, self.refused = Histogram(SECONDS), Histogram(SECONDS)
        self.passed: list[float] = []

    def settle(self) -> None:
        self.accepted.observe_all(self.passed)
        self.passed.clear()


def families(timings: Iterable[Timing]) -> Iterator[Family]:
    steps: list[Sample] = []
    plugins: list[Sample] = []
    for each in timings:
        each.settle()
        for rejected, histogram in (("false", each.accepted), ("true", each.refused)):
            if histogram.count:
                labels = (each.operation, each.kind, rejected)
                if each.name:
                    plugins.append(((each.name, *labels), histogram))
                else:
                    steps.append((labels, histogram))
    titles = "operation", "type", "rejected"
    yield Family(
        "apiserver_admission_controller_admission_duration_seconds",
        "Admission controller latency histogram in seconds, by name, operation and type (validate or admit).",
        "histogram", ("name", *titles), plugins,
    )  # fmt: skip
    yield Family(
        "apiserver_admission_step_admission_duration_seconds",
        "Admission sub-step latency histogram in seconds, by operation and step type (validate or admit).",
        "histogram", titles, steps,
    )  # fmt: skip
