"""PodSecurity: pods must meet the standard that their namespace's labels enforce; templates and label changes are warned about.

Facts: https://github.com/kubernetes/pod-security-admission/blob/master/admission/admission.go
"""

from collections.abc import Mapping
from typing import Any

from pinnace.api import meta
from pinnace.api import resources as r
from pinnace.api.pod_security.levels import PREFIX, PRIVILEGED, LevelVersion, Policy, policy_of
from pinnace.apimachinery import errors
from pinnace.apimachinery.gvk import GVR
from pinnace.apiserver.admission.attributes import Admission
from pinnace.apiserver.admission.chain import BasePlugin
from pinnace.apiserver.admission.pod_security_configuration import Configuration, configuration_from
from pinnace.apiserver.admission.refusal import refused
from pinnace.apiserver.admission.stored import objects_in
from pinnace.apiserver.registry.catalog import Registries

Object = dict[str, Any]
MOST_PODS = 3000  # of a namespace that are looked at when its label changes
_PATHS: dict[GVR, tuple[str, ...]] = {
    r.POD_TEMPLATES: ("template",),
    r.REPLICATION_CONTROLLERS: ("spec", "template"),
    r.REPLICA_SETS: ("spec", "template"),
    r.DEPLOYMENTS: ("spec", "template"),
    r.STATEFUL_SETS: ("spec", "template"),
    r.DAEMON_SETS: ("spec", "template"),
    r.JOBS: ("spec", "template"),
    r.CRON_JOBS: ("spec", "jobTemplate", "spec", "template"),
}
_JUDGED_SUBRESOURCES = ("", "ephemeralcontainers", "resize")
_SECCOMP_POD, _SECCOMP = (
    "seccomp.security.alpha.kubernetes.io/pod",
    "container.seccomp.security.alpha.kubernetes.io/",
)


class PodSecurity(BasePlugin):
    name = "PodSecurity"
    subresources = _JUDGED_SUBRESOURCES
    validates = ("CREATE", "UPDATE")

    def __init__(self, registries: Registries) -> None:
        self._registries = registries
        self._config = Configuration()

    def configure(self, configuration: Object) -> None:
        self._config = configuration_from(configuration)

    async def validate(self, admission: Admission) -> None:
        if admission.object is None:
            return
        gvr = admission.resource.gvr
        if gvr == r.PODS:
            await self._judge_pod(admission, admission.object)
        elif gvr == r.NAMESPACES:
            await self._judge_namespace(admission, admission.object)
        elif gvr in _PATHS and not admission.subresource:
            await self._judge_template(admission, admission.object)

    # -- pods and templates ---------------------------------------------------------------------------------
    async def _judge_pod(self, admission: Admission, pod: Object) -> None:
        if admission.subresource not in _JUDGED_SUBRESOURCES or self._is_exempt(admission):
            return
        policy = await self._policy_in(admission)
        if policy.is_privileged:
            return
        if admission.operation == "UPDATE" and not is_significant(pod, admission.old or {}):
            return
        self._evaluate(admission, policy, pod["metadata"], pod.get("spec") or {}, enforced=True)

    async def _judge_template(self, admission: Admission, workload: Object) -> None:
        """Only a warning: the pods themselves will be judged."""
        if self._is_exempt(admission):
            return
        policy = await self._policy_in(admission)
        if policy.warn.level == PRIVILEGED and policy.audit.level == PRIVILEGED:
            return
        template: Any = workload
        for step in _PATHS[admission.resource.gvr]:
            template = (template or {}).get(step)
        if template:
            self._evaluate(
                admission, policy, template.get("metadata") or {}, template.get("spec") or {}, enforced=False
            )

    def _evaluate(
        self, admission: Admission, policy: Policy, metadata: Object, spec: Object, *, enforced: bool
    ) -> None:
        if spec.get("runtimeClassName") and spec["runtimeClassName"] in self._config.runtime_classes:
            admission.annotate(f"{PREFIX}exempt", "runtimeClass")
            return
        from pinnace.api.pod_security.evaluation import evaluate

        results = {one: evaluate(one, metadata, spec) for one in {policy.audit, policy.warn, policy.enforce}}
        audited, warned, judged = results[policy.audit], results[policy.warn], results[policy.enforce]
        if not audited.allowed:
            text = f'would violate PodSecurity "{policy.audit}": {audited.details}'
            admission.annotate(f"{PREFIX}audit-violations", text)
        if enforced:
            admission.annotate(f"{PREFIX}enforce-policy", str(policy.enforce))
            if not judged.allowed:
                raise refused(admission, f'violates PodSecurity "{policy.enforce}": {judged.details}')
        if not warned.allowed:
            admission.warn(f'would violate PodSecurity "{policy.warn}": {warned.details}')

    async def _policy_in(self, admission: Admission) -> Policy:
        storage, name = self._registries.of(r.NAMESPACES).storage, admission.namespace
        item = storage.cached(name) or await storage.get(name, resource_version="0")
        policy, found = policy_of(item.labels, self._config.defaults)
        if found:
            texts = ", ".join(f"{cause.field}: {cause.message}" for cause in found)
            admission.annotate(f"{PREFIX}error", f"Failed to parse policy: {texts}")
        return policy

    def _is_exempt(self, admission: Admission) -> bool:
        if admission.namespace in self._config.namespaces:
            admission.annotate(f"{PREFIX}exempt", "namespace")
        elif admission.user.name in self._config.usernames:
            admission.annotate(f"{PREFIX}exempt", "user")
        else:
            return False
        return True

    # -- namespaces -----------------------------------------------------------------------------------------
    async def _judge_namespace(self, admission: Admission, namespace: Object) -> None:
        if admission.subresource:
            return
        name = namespace["metadata"].get("name", "")
        new, found = policy_of(meta.labels(namespace), self._config.defaults)
        if admission.operation == "CREATE":
            if found:
                raise errors.invalid("Namespace", name, found)
            self._warn_of_exemption(admission, name, new)
            return
        old, found_before = policy_of(meta.labels(admission.old or {"metadata": {}}), self._config.defaults)
        if found and found != found_before:
            raise errors.invalid("Namespace", name, found)
        if name in self._config.namespaces:
            if new != old:
                self._warn_of_exemption(admission, name, new)
        elif _is_stricter(new.enforce, old.enforce):
            for text in await self._existing(name, new.enforce):
                admission.warn(text)

    def _warn_of_exemption(self, admission: Admission, name: str, policy: Policy) -> None:
        if name in self._config.namespaces and not policy.is_privileged and policy != self._config.defaults:
            admission.warn(
                f'namespace "{name}" is exempt from Pod Security, and the policy ({policy}) will be ignored'
            )

    async def _existing(self, namespace: str, enforce: LevelVersion) -> list[str]:
        """What pods that are already there would violate; each combination of reasons once."""
        from pinnace.api.pod_security.evaluation import evaluate

        pods = await objects_in(self._registries, r.PODS, namespace)
        names: dict[str, list[str]] = {}
        for pod in pods[:MOST_PODS]:
            spec = pod.get("spec") or {}
            if spec.get("runtimeClassName") and spec["runtimeClassName"] in self._config.runtime_classes:
                continue
            result = evaluate(enforce, pod["metadata"], spec)
            if not result.allowed:
                names.setdefault(result.reasons, []).append(pod["metadata"]["name"])
        found = []
        if len(pods) > MOST_PODS:
            found.append(
                f"new PodSecurity enforce level only checked against the first {MOST_PODS} of {len(pods)} existing pods"
            )
        if names:
            found.append(
                f'existing pods in namespace "{namespace}" violate the new PodSecurity enforce level "{enforce}"'
            )
        return found + sorted(f"{_counted(pods)}: {reasons}" for reasons, pods in names.items())


def _counted(names: list[str]) -> str:
    first, others = min(names), len(names) - 1
    if not others:
        return first
    return f"{first} (and {others} other {'pod' if others == 1 else 'pods'})"


def _is_stricter(new: LevelVersion, old: LevelVersion) -> bool:
    """Whether pods that were allowed might not be any more."""
    if new == old or new.level == PRIVILEGED:
        return False
    return new.version != old.version or new.strictness > old.strictness


def is_significant(pod: Object, old: Object) -> bool:
    """Of what may change in a pod, only images, added containers and seccomp annotations matter."""
    new_marks, old_marks = _seccomp_marks(pod), _seccomp_marks(old)
    if new_marks != old_marks:
        return True
    new_spec, old_spec = pod.get("spec") or {}, old.get("spec") or {}
    for field in ("initContainers", "containers", "ephemeralContainers"):
        if _images(new_spec, field) != _images(old_spec, field):
            return True
    return False


def _images(spec: Mapping[str, Any], field: str) -> dict[str, str]:
    return {c.get("name", ""): c.get("image", "") for c in spec.get(field) or ()}


def _seccomp_marks(pod: Object) -> dict[str, str]:
    annotations = (pod.get("metadata") or {}).get("annotations") or {}
    return {
        key: value for key, value in annotations.items() if key == _SECCOMP_POD or key.startswith(_SECCOMP)
    }
