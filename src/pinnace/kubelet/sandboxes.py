"""A pod's sandbox: made as its class says, and ready for containers when the network knows what the pod may send and get."""

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.tracing import slow_step, step
from pinnace.kubelet.cgroups.pods import PodCgroups
from pinnace.kubelet.config import KubeletConfig
from pinnace.kubelet.contracts import NetworkAdmission
from pinnace.kubelet.cri.runtime import Config, ContainerRuntime, CriError
from pinnace.kubelet.cri_config import pod_log_dir, sandbox_config
from pinnace.kubelet.name_resolution import resolver
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pod_record import PodRecord
from pinnace.kubelet.pod_runtime import PodRuntime
from pinnace.kubelet.runtime_classes import NoHandler, RuntimeClasses

RETRY_SECONDS = 3.0
WORTH_TELLING = 0.001  # seconds of waiting for the network's policies


class Sandboxes:
    def __init__(
        self, *, config: KubeletConfig, runtime: ContainerRuntime, runtime_classes: RuntimeClasses, cgroups: PodCgroups,
        facts: NodeFacts, recorder: EventRecorder, network_admits: NetworkAdmission | None,
    ) -> None:  # fmt: skip
        self._config, self._runtime, self._runtime_classes = config, runtime, runtime_classes
        self._cgroups, self._facts, self._recorder = cgroups, facts, recorder
        self._network_admits = network_admits

    def config(self, pod: Object, attempt: int) -> Config:
        settings = self._config
        return sandbox_config(
            pod,
            attempt=attempt,
            logs=settings.pod_logs_dir,
            cgroup_parent=self._cgroups.path(pod),
            resolver=resolver(pod, self._facts.resolver(), settings.cluster_dns, settings.cluster_domain),
            domain=settings.cluster_domain,
        )

    async def create(self, record: PodRecord, attempt: int) -> bool:
        pod_log_dir(self._config.pod_logs_dir, record.pod).mkdir(parents=True, exist_ok=True)
        try:
            if missing := unsupported(record.pod):
                raise CriError("UNIMPLEMENTED", missing)
            handler = await self._runtime_classes.handler(record.pod)
            with step("sandbox", attempt=attempt):  # with the pod's network
                await self._runtime.run_sandbox(self.config(record.pod, attempt), handler)
        except (CriError, NoHandler) as error:
            text = f"Failed to create pod sandbox: {error}"
            self._recorder.event(record.pod, "Warning", "FailedCreatePodSandBox", text)
            record.retry_within(RETRY_SECONDS)
            return False
        return True

    async def is_admitted_to_network(self, record: PodRecord, runtime: PodRuntime) -> bool:
        """No container runs before the network knows what this pod may send and get."""
        if self._network_admits is None or pods.uses_host_network(record.pod) or not runtime.sandboxes:
            return True
        try:
            with slow_step("network policies", WORTH_TELLING):
                await self._network_admits(record.pod, runtime.sandboxes[0].ips)
        except TimeoutError:
            text = "network is not ready: network policies are not in force yet"
            self._recorder.event(record.pod, "Warning", "NetworkNotReady", text)
            record.retry_within(RETRY_SECONDS)
            return False
        return True


def unsupported(pod: Object) -> str:
    """What the pod asks of its sandbox that this kubelet cannot give; "" when there is nothing."""
    if pod["spec"].get("hostUsers") is False:
        return "user namespaces are not supported by this kubelet"
    if pod["spec"].get("resourceClaims"):
        return "dynamic resources (resourceClaims) are not supported by this kubelet"
    return ""
