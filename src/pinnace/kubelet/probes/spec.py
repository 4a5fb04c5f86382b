"""What a probe says (pure): kinds, thresholds with their defaults, outcomes, and where its port and host are."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pinnace.client.interface import Object


class ProbeKind(StrEnum):
    """The value is the word in events."""

    LIVENESS = "Liveness"
    READINESS = "Readiness"
    STARTUP = "Startup"

    @property
    def field(self) -> str:
        return f"{self.value.lower()}Probe"


class Result(StrEnum):
    """The value is upstream's word for the state."""

    SUCCESS = "success"
    WARNING = "warning"  # counts as success, with an event
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`is_error`: the probe itself could not be run; its result does not count."""

    result: Result
    output: str = ""
    is_error: bool = False


SUCCESS = Outcome(Result.SUCCESS)
MAX_OUTPUT = 10 * 1024


@dataclass(frozen=True, slots=True)
class ProbeSpec:
    kind: ProbeKind
    action: dict[str, Any]  # the probe object: exec, httpGet, tcpSocket or grpc
    initial_delay: int
    period: int
    timeout: int
    success_threshold: int
    failure_threshold: int


def of_container(container: dict[str, Any]) -> list[ProbeSpec]:
    """The probes of a container, with the defaults of the API where the object lacks them."""
    found = []
    for kind in ProbeKind:
        if probe := container.get(kind.field):
            found.append(
                ProbeSpec(
                    kind,
                    probe,
                    initial_delay=probe.get("initialDelaySeconds") or 0,
                    period=probe.get("periodSeconds") or 10,
                    timeout=probe.get("timeoutSeconds") or 1,
                    success_threshold=probe.get("successThreshold") or 1,
                    failure_threshold=probe.get("failureThreshold") or 3,
                )
            )
    return found


def probed_containers(pod: Object) -> list[dict[str, Any]]:
    """App containers, and the init containers that stay (restartPolicy Always)."""
    spec = pod["spec"]
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return [*sidecars, *(spec.get("containers") or ())]


def port_number(port: int | str, container: dict[str, Any]) -> int:
    """A number, or the name of one of the container's ports. Raises ValueError in upstream's words."""
    if isinstance(port, str) and not (port.isascii() and port.isdigit()):
        for entry in container.get("ports") or ():
            if entry.get("name") == port:
                return int(entry["containerPort"])
        raise ValueError(f"couldn't find port: {port} in container: {container.get('name', '')}")
    number = int(port)
    if not 0 < number < 65536:
        raise ValueError(f"invalid port number: {number}")
    return number


def host_port(host: str, port: int) -> str:
    """As Go's net.JoinHostPort."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
