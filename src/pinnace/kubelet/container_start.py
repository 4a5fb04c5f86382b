"""Starts one container: image, configuration, create, start, postStart hook. Failures are `StartError` with upstream's reasons."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pinnace.api.core import pods
from pinnace.api.meta import Object
from pinnace.client.events import EventRecorder
from pinnace.component.tracing import step
from pinnace.kubelet import environment, security
from pinnace.kubelet.cri.runtime import Config, ContainerRuntime, CriError, Image
from pinnace.kubelet.cri_config import DEFAULT_MESSAGE_PATH, ContainerInputs, container_config, pod_log_dir
from pinnace.kubelet.devices.manager import AllocationError, DeviceManager
from pinnace.kubelet.environment import ConfigError
from pinnace.kubelet.image_credentials import unreadable
from pinnace.kubelet.image_volumes import ImageVolumes
from pinnace.kubelet.images import Images, StartError
from pinnace.kubelet.lifecycle_hooks import HookError, HookRunner
from pinnace.kubelet.name_resolution import hosts_file
from pinnace.kubelet.node_facts import NodeFacts
from pinnace.kubelet.pod_record import PodPaths, field_path
from pinnace.kubelet.pod_runtime import PodRuntime, restart_count
from pinnace.kubelet.referenced_objects import ReferencedObjects
from pinnace.kubelet.resources import NodeRules
from pinnace.kubelet.tracing import again
from pinnace.kubelet.volumes.set import container_devices, container_mounts
from pinnace.kubelet.volumes.sub_paths import BoundSubPaths

CONFIG_RETRY_SECONDS = 10.0
PULL_MAY_FAIL = "attempting to pull the image may not succeed."


@dataclass(frozen=True, slots=True)
class StartContext:
    """One pod's sandbox and volumes, the same for each of its containers."""

    pod: Object
    runtime: PodRuntime
    sandbox_id: str
    sandbox_config: Config
    volumes: Mapping[str, Path] = field(default_factory=dict)

    @property
    def pod_ip(self) -> str:
        sandbox = self.runtime.ready_sandbox
        return sandbox.ips[0] if sandbox and sandbox.ips else ""


class ContainerStarter:
    """`services` gives every Service of the cluster, for the links in the environment."""

    def __init__(
        self,
        *,
        runtime: ContainerRuntime,
        images: Images,
        image_volumes: ImageVolumes,
        objects: ReferencedObjects,
        hooks: HookRunner,
        recorder: EventRecorder,
        facts: NodeFacts,
        paths: PodPaths,
        services: Callable[[], Iterable[Object]],
        rules: NodeRules,
        devices: DeviceManager,
    ) -> None:
        self._runtime, self._images, self._objects, self._hooks = runtime, images, objects, hooks
        self._recorder, self._facts, self._paths, self._services = recorder, facts, paths, services
        self._image_volumes = image_volumes
        self._rules, self._devices = rules, devices

    async def start(self, context: StartContext, container: dict[str, Any]) -> None:
        pod, where = context.pod, field_path(context.pod, container["name"])
        try:
            secrets, missing = await self._objects.for_pod(pod).pull_secrets()
            if missing := [*missing, *unreadable(secrets)]:
                text = f"Unable to retrieve some image pull secrets ({', '.join(missing)}); {PULL_MAY_FAIL}"
                self._recorder.event(pod, "Warning", "FailedToRetrieveImagePullSecret", text)
            mounted = await self._image_volumes.provide(pod, container, secrets)
            if mounted:
                context = replace(context, volumes={**context.volumes, **mounted})
            image = await self._images.ensure(pod, container, secrets)
            config = await self._configure(context, container, image)
            with step(
                "create container", container=container["name"], **again(context.runtime, container["name"])
            ):
                container_id = await self._create(context, config)
            self._recorder.event(pod, "Normal", "Created", "Container created", field_path=where)
            with step("start container", container=container["name"]):
                await self._run(container_id)
            self._recorder.event(pod, "Normal", "Started", "Container started", field_path=where)
        except StartError as error:
            if error.is_news:
                shown = error.reason if error.reason in IMAGE_REASONS else error.message
                self._recorder.event(pod, "Warning", "Failed", f"Error: {shown}", field_path=where)
            raise
        await self._post_start(context, container, container_id)

    async def _configure(self, context: StartContext, container: dict[str, Any], image: Image) -> Config:
        try:
            security.verify_non_root(context.pod, container, image)
            variables = await self._environment(context, container)
            logs = pod_log_dir(self._facts.config.pod_logs_dir, context.pod) / container["name"]
            attempt = next_attempt(context.runtime, container["name"], logs)
            held = BoundSubPaths(self._paths.sub_paths(context.runtime.uid))
            mounts = container_mounts(context.pod, container, context.volumes, variables, held)
            devices = container_devices(context.pod, container, context.volumes)
            access = await self._devices.access(context.runtime.uid, container["name"])
        except (ConfigError, AllocationError, OSError) as error:
            raise StartError("CreateContainerConfigError", str(error), CONFIG_RETRY_SECONDS) from error
        mounts += self._own_mounts(context, container, attempt, {one["container_path"] for one in mounts})
        inputs = ContainerInputs(
            image_id=image.id,
            image=image,
            environment={**access.envs, **variables},
            mounts=[*mounts, *access.mounts],
            devices=[*devices, *access.devices],
            annotations=access.annotations,
            cdi=access.cdi,
            restart_count=attempt,
            node_memory=self._facts.memory_bytes,
            target_id=self._target(context, container),
            seccomp_default=self._facts.config.seccomp_default,
            seccomp_root=str(self._facts.config.root_dir / "seccomp"),
            rules=self._rules,
        )
        return container_config(context.pod, container, inputs)

    async def _environment(self, context: StartContext, container: dict[str, Any]) -> dict[str, str]:
        pod = context.pod
        found = await self._objects.for_pod(pod).environment_objects(container)
        links: dict[str, str] = {}
        services = self._services()
        if pod["spec"].get("enableServiceLinks") is not False:
            links = environment.service_links(services, pod["metadata"]["namespace"])
        links.update(environment.api_server_links(self._services()))
        given = environment.Surroundings(
            get=lambda kind, name: found.get((kind, name)),
            facts=self._facts.addresses(pod, context.runtime),
            allocatable={name: str(amount) for name, amount in self._facts.allocatable.items()},
            links=links,
        )
        return environment.build(pod, container, given=given)

    def _own_mounts(
        self, context: StartContext, container: dict[str, Any], attempt: int, taken: set[str]
    ) -> list[dict[str, Any]]:
        """The managed /etc/hosts and the termination message file."""
        uid, mounts = context.runtime.uid, []
        if "/etc/hosts" not in taken:
            mounts.append({"container_path": "/etc/hosts", "host_path": str(self._paths.hosts(uid))})
        message = self._paths.message(uid, container["name"], attempt)
        message.parent.mkdir(parents=True, exist_ok=True)
        message.touch()
        message.chmod(0o666)
        inside = container.get("terminationMessagePath") or DEFAULT_MESSAGE_PATH
        if inside not in taken:
            mounts.append({"container_path": inside, "host_path": str(message)})
        return mounts

    def _target(self, context: StartContext, container: dict[str, Any]) -> str:
        """The container whose processes an ephemeral container shares."""
        target = context.runtime.newest(container.get("targetContainerName") or "")
        return target.id if target else ""

    async def _create(self, context: StartContext, config: Config) -> str:
        try:
            return await self._runtime.create_container(context.sandbox_id, config, context.sandbox_config)
        except CriError as error:
            raise StartError("CreateContainerError", error.message, CONFIG_RETRY_SECONDS) from error

    async def _run(self, container_id: str) -> None:
        try:
            await self._runtime.start_container(container_id)
        except CriError as error:
            raise StartError("RunContainerError", error.message, 1.0) from error

    async def _post_start(self, context: StartContext, container: dict[str, Any], container_id: str) -> None:
        handler = (container.get("lifecycle") or {}).get("postStart")
        if not handler:
            return
        try:
            with step("postStart", container=container["name"]):
                await self._hooks.run(context.pod, container, container_id, handler, context.pod_ip)
        except HookError as error:
            where = field_path(context.pod, container["name"])
            self._recorder.event(
                context.pod, "Warning", "FailedPostStartHook", "PostStartHook failed", field_path=where
            )
            await self._runtime.stop_container(container_id, pods.grace_period_seconds(context.pod))
            raise StartError("PostStartHookError", str(error), 1.0) from error

    def write_hosts(self, context: StartContext) -> None:
        """The pod's /etc/hosts; written once, because containers may edit their copy."""
        path = self._paths.hosts(context.runtime.uid)
        if path.exists() and not context.pod_ip:
            return
        sandbox = context.runtime.ready_sandbox
        node = Path("/etc/hosts").read_text() if pods.uses_host_network(context.pod) else ""
        domain = self._facts.config.cluster_domain
        text = hosts_file(context.pod, sandbox.ips if sandbox else (), domain, node)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            path.chmod(0o644)


IMAGE_REASONS = frozenset(
    ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
)


def next_attempt(runtime: PodRuntime, name: str, logs: Path) -> int:
    """One more than the last; of containers that the runtime has lost the logs still tell how many there were."""
    newest = runtime.newest(name)
    if newest is not None:
        return restart_count(newest) + 1
    found = [int(file.stem) for file in logs.glob("*.log") if file.stem.isdigit()]
    return max(found) + 1 if found else 0
