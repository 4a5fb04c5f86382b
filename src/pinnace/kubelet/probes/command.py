"""exec probes: run the command in the container; exit code 0 is a success."""

from collections.abc import Sequence

from pinnace.kubelet.cri.runtime import CriError, RuntimeService
from pinnace.kubelet.probes.spec import MAX_OUTPUT, Outcome, Result


async def probe(
    runtime: RuntimeService, container_id: str, command: Sequence[str], timeout: float
) -> Outcome:
    """A command that outlives its timeout has failed; a container that is not there makes the probe itself fail."""
    try:
        done = await runtime.exec_sync(container_id, command, timeout)
    except CriError as error:
        if error.code == "DEADLINE_EXCEEDED":
            return Outcome(Result.FAILURE, f'command "{" ".join(command)}" timed out')
        return Outcome(Result.UNKNOWN, str(error), is_error=True)
    output = (done.stdout + done.stderr)[:MAX_OUTPUT].decode("utf-8", "replace")
    return Outcome(Result.SUCCESS if done.exit_code == 0 else Result.FAILURE, output)
