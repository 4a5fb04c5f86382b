"""Which container of a pod a request means, in upstream's words when it does not say or is wrong."""

from typing import Any

from pinnace.apimachinery import errors

Object = dict[str, Any]


def choose(pod: Object, wanted: str) -> str:
    """Raises BadRequest when the name is missing and ambiguous, or not one of the pod's."""
    spec, name = pod.get("spec") or {}, pod["metadata"]["name"]
    own = [container["name"] for container in spec.get("containers") or ()]
    initial = [container["name"] for container in spec.get("initContainers") or ()]
    ephemeral = [container["name"] for container in spec.get("ephemeralContainers") or ()]
    if wanted:
        if wanted not in (*own, *initial, *ephemeral):
            raise errors.BadRequest(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(own) == 1 and not initial and not ephemeral:
        return own[0]
    if len(own) == 1:
        return own[0]
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(own)}]"
    if initial:
        text += f" or one of the init containers: [{' '.join(initial)}]"
    if ephemeral:
        text += f" or one of the ephemeral containers: [{' '.join(ephemeral)}]"
    raise errors.BadRequest(text)
