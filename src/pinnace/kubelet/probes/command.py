"""exec probes: run the command in the container; exit code 0 is a success."""

import json
from collections.abc import Sequence

from pinnace.apimachinery.times import go_duration
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
            text = (
                f"command timed out: {json.dumps(' '.join(command))} timed out after {go_duration(timeout)}"
            )
            return Outcome(Result.FAILURE, text)
        return Outcome(Result.UNKNOWN, str(error), is_error=True)
    output = (done.stdout + done.stderr)[:MAX_OUTPUT].decode("utf-8", "replace")
    return Outcome(Result.SUCCESS if done.exit_code == 0 else Result.FAILURE, output)
