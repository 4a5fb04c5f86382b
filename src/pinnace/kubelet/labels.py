"""Labels and annotations that tie sandboxes and containers to their pod: what a restarted kubelet rebuilds from."""

import hashlib
import json
from typing import Any

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"

HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
MESSAGE_PATH = "io.kubernetes.container.terminationMessagePath"
MESSAGE_POLICY = "io.kubernetes.container.terminationMessagePolicy"
GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"
CONFIG_SOURCE = "kubernetes.io/config.source"


def container_hash(container: dict[str, Any]) -> str:
    """Changes when a running container must be replaced: name and image are what may decide that in a live pod."""
    picked = json.dumps([container["name"], container.get("image", "")])
    return hashlib.sha256(picked.encode()).hexdigest()[:16]
