"""Validation of what a Job is asked to do: its spec, alone or inside a CronJob, and what an update may change.

Upstream: https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/batch/validation/validation.go
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import conditions, fields, names
from pinnace.api.batch import indexes
from pinnace.api.core.pod_validation import validate_template
from pinnace.api.meta import Object
from pinnace.apimachinery.errors import Cause

Found = Iterator[Cause]
Spec = Mapping[str, Any]
COMPLETION_MODES = ("Indexed", "NonIndexed")
FAILURE_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
EXIT_CODE_OPERATORS = ("In", "NotIn")
CONDITION_STATUSES = ("False", "True", "Unknown")
REPLACEMENT_POLICIES = ("Failed", "TerminatingOrFailed")
MAX_INDEXED = 100_000  # parallelism, failed indexes
MANY_COMPLETIONS, MANY_PARALLEL = 100_000, 10_000
MAX_RULES, MAX_PATTERNS, MAX_EXIT_CODES = 20, 20, 255
MAX_INDEXES_LENGTH = 64 * 1024
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_HIGH = f"when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"


def _valid_values(values: Sequence[str]) -> str:
    return "valid values: [" + " ".join(fields.text(value) for value in values) + "]"


def validate_job_spec(spec: Spec, path: str, old_template: Any = None) -> Found:
    """All but the selector, which only a Job of its own has. A template that stays is not judged again."""
    for name in _COUNTS:
        yield from fields.non_negative(f"{path}.{name}", spec.get(name))
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield fields.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if (manager := spec.get("managedBy")) is not None:
        yield from _validate_manager(manager, f"{path}.managedBy")
    mode = spec.get("completionMode") or "NonIndexed"
    if mode not in COMPLETION_MODES:
        yield fields.not_supported(f"{path}.completionMode", mode, COMPLETION_MODES)
    yield from _validate_indexed(spec, path) if mode == "Indexed" else _validate_plain(spec, mode, path)
    if (policy := spec.get("podFailurePolicy")) is not None:
        yield from _validate_failure_policy(policy, spec, f"{path}.podFailurePolicy.rules")
    if (policy := spec.get("successPolicy")) is not None:
        if mode != "Indexed":
            yield fields.invalid(f"{path}.successPolicy", policy, "requires indexed completion mode")
        else:
            yield from _validate_success_policy(policy, spec, f"{path}.successPolicy.rules")
    yield from _validate_replacement(spec, f"{path}.podReplacementPolicy")
    template = spec.get("template") or {}
    if old_template is None or old_template != template:
        yield from validate_template(template, f"{path}.template")
    yield from _validate_restart_policy(spec, f"{path}.template.spec.restartPolicy")


def _validate_manager(manager: str, path: str) -> Found:
    host, _, rest = manager.partition("/")
    if not manager:
        yield fields.required(path)
    elif not host or not rest:
        yield fields.invalid(path, manager, 'must be a domain-prefixed path (such as "acme.io/foo")')
    else:
        yield from fields.all_invalid(path, host, names.dns_subdomain(host))
        yield from fields.all_invalid(path, rest, names.http_path(rest))
    if len(manager) > 63:
        yield fields.too_long(path, 63)


def _validate_indexed(spec: Spec, path: str) -> Found:
    completions, parallelism = spec.get("completions"), spec.get("parallelism")
    failed = spec.get("maxFailedIndexes")
    if completions is None:
        yield fields.required(f"{path}.completions", "when completion mode is Indexed")
    if parallelism is not None and parallelism > MAX_INDEXED:
        why = f"must be less than or equal to {MAX_INDEXED} when completion mode is Indexed"
        yield fields.invalid(f"{path}.parallelism", parallelism, why)
    if failed is not None and completions is not None and failed > completions:
        why = "must be less than or equal to completions"
        yield fields.invalid(f"{path}.maxFailedIndexes", failed, why)
    if failed is not None and failed > MAX_INDEXED:
        why = f"must be less than or equal to {MAX_INDEXED}"
        yield fields.invalid(f"{path}.maxFailedIndexes", failed, why)
    if completions is None or completions <= MANY_COMPLETIONS or spec.get("backoffLimitPerIndex") is None:
        return
    if failed is None:
        why = f"must be specified when completions is above {MANY_COMPLETIONS}"
        yield fields.required(f"{path}.maxFailedIndexes", why)
    for name, value in (("parallelism", parallelism), ("maxFailedIndexes", failed)):
        if value is not None and value > MANY_PARALLEL:
            why = f"must be less than or equal to {MANY_PARALLEL} {_HIGH}"
            yield fields.invalid(f"{path}.{name}", value, why)


def _validate_plain(spec: Spec, mode: str, path: str) -> Found:
    for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
        if mode == "NonIndexed" and spec.get(name) is not None:
            yield fields.invalid(f"{path}.{name}", spec[name], "requires indexed completion mode")


def _validate_replacement(spec: Spec, path: str) -> Found:
    policy = spec.get("podReplacementPolicy")
    allowed = ("Failed",) if spec.get("podFailurePolicy") is not None else REPLACEMENT_POLICIES
    if policy is not None and policy not in allowed:
        yield fields.not_supported(path, policy, allowed)


def _validate_restart_policy(spec: Spec, path: str) -> Found:
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy") or ""
    if policy in ("", "Always"):
        yield fields.required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield fields.not_supported(path, policy, ("OnFailure", "Never"))
    elif policy != "Never" and spec.get("podFailurePolicy") is not None:
        yield fields.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


# -- policies ---------------------------------------------------------------------------------------------------
def _validate_failure_policy(policy: Mapping[str, Any], spec: Spec, path: str) -> Found:
    rules = policy.get("rules") or ()
    if len(rules) > MAX_RULES:
        yield fields.too_many(path, len(rules), MAX_RULES)
    pod = (spec.get("template") or {}).get("spec") or {}
    containers = {one.get("name") for part in ("containers", "initContainers") for one in pod.get(part) or ()}
    for index, rule in enumerate(rules):
        here, action = f"{path}[{index}]", rule.get("action") or ""
        if not action:
            yield fields.required(f"{here}.action", _valid_values(FAILURE_ACTIONS))
        elif action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
            yield fields.invalid(f"{here}.action", action, "requires the backoffLimitPerIndex to be set")
        elif action not in FAILURE_ACTIONS:
            yield fields.not_supported(f"{here}.action", action, FAILURE_ACTIONS)
        codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions")
        if codes is not None:
            yield from _validate_exit_codes(codes, containers, f"{here}.onExitCodes")
        if patterns:
            yield from _validate_patterns(patterns, f"{here}.onPodConditions")
        if codes is not None and patterns:
            yield fields.bare_invalid(
                here, "specifying both OnExitCodes and OnPodConditions is not supported"
            )
        if codes is None and not patterns:
            yield fields.bare_invalid(here, "specifying one of OnExitCodes and OnPodConditions is required")


def _validate_patterns(patterns: Sequence[Mapping[str, Any]], path: str) -> Found:
    if len(patterns) > MAX_PATTERNS:
        yield fields.too_many(path, len(patterns), MAX_PATTERNS)
    for index, pattern in enumerate(patterns):
        here, kind, status = f"{path}[{index}]", pattern.get("type") or "", pattern.get("status") or ""
        yield from fields.all_invalid(f"{here}.type", kind, names.qualified_name(kind))
        if not status:
            yield fields.required(f"{here}.status", _valid_values(CONDITION_STATUSES))
        elif status not in CONDITION_STATUSES:
            yield fields.not_supported(f"{here}.status", status, CONDITION_STATUSES)


def _validate_exit_codes(codes: Mapping[str, Any], containers: set[Any], path: str) -> Found:
    operator, values = codes.get("operator") or "", codes.get("values") or []
    if not operator:
        yield fields.required(f"{path}.operator", _valid_values(EXIT_CODE_OPERATORS))
    elif operator not in EXIT_CODE_OPERATORS:
        yield fields.not_supported(f"{path}.operator", operator, EXIT_CODE_OPERATORS)
    container = codes.get("containerName")
    if container is not None and container not in containers:
        why = "must be one of the container or initContainer names in the pod template"
        yield fields.invalid(f"{path}.containerName", container, why)
    if not values:
        yield fields.invalid(f"{path}.values", values, "at least one value is required")
    elif len(values) > MAX_EXIT_CODES:
        yield fields.too_many(f"{path}.values", len(values), MAX_EXIT_CODES)
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            yield fields.invalid(f"{path}.values[{index}]", value, "must not be 0 for the In operator")
        if value in values[:index]:
            yield fields.duplicate(f"{path}.values[{index}]", value)
    if values != sorted(values):
        yield fields.invalid(f"{path}.values", values, "must be ordered")


def _validate_success_policy(policy: Mapping[str, Any], spec: Spec, path: str) -> Found:
    rules = policy.get("rules") or ()
    if not rules:
        why = "at least one rules must be specified when the successPolicy is specified"
        yield fields.required(path, why)
    if len(rules) > MAX_RULES:
        yield fields.too_many(path, len(rules), MAX_RULES)
    for index, rule in enumerate(rules):
        yield from _validate_success_rule(rule, spec.get("completions") or 0, f"{path}[{index}]")


def _validate_success_rule(rule: Mapping[str, Any], completions: int, path: str) -> Found:
    wanted, named = rule.get("succeededCount"), rule.get("succeededIndexes")
    if wanted is None and named is None:
        yield fields.required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if named is not None:
        if len(named) > MAX_INDEXES_LENGTH:
            yield fields.too_long(f"{path}.succeededIndexes", MAX_INDEXES_LENGTH)
        try:
            total = indexes.count(named, completions)
        except indexes.IndexesError as error:
            why = f"error parsing succeededIndexes: {error}"
            yield fields.invalid(f"{path}.succeededIndexes", named, why)
    if wanted is None:
        return
    yield from fields.non_negative(f"{path}.succeededCount", wanted)
    if wanted > completions:
        why = f"must be less than or equal to {completions} (the number of specified completions)"
        yield fields.invalid(f"{path}.succeededCount", wanted, why)
    if named is not None and wanted > total:
        why = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        yield fields.invalid(f"{path}.succeededCount", wanted, why)


# -- updates ----------------------------------------------------------------------------------------------------
def validate_job_update(new: Object, old: Object) -> Found:
    """What pods are like and how they are counted stays; a suspended Job may still be placed elsewhere."""
    after, before = new["spec"], old["spec"]
    yield from _validate_completions(after, before)
    yield from fields.immutable("spec.selector", after.get("selector"), before.get("selector"))
    template = after.get("template") or {}
    comparable = before.get("template") or {}
    if is_placeable(old):
        comparable = _with_new_placement(comparable, template)
    yield from fields.immutable("spec.template", template, comparable)
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        yield from fields.immutable(f"spec.{name}", after.get(name), before.get(name))


def _validate_completions(after: Spec, before: Spec) -> Found:
    """Indexed Jobs are elastic: completions and parallelism grow and shrink together."""
    wanted = after.get("completions")
    if after.get("completionMode") != "Indexed":
        yield from fields.immutable("spec.completions", wanted, before.get("completions"))
    elif wanted not in (None, before.get("completions")) and wanted != after.get("parallelism"):
        yield fields.invalid(
            "spec.completions", wanted, "can only be modified in tandem with spec.parallelism"
        )


def is_placeable(job: Object) -> bool:
    """No pod of it runs, and none has to be taken into account: suspended, and seen so by its controller if it ever started."""
    status = job.get("status") or {}
    if not job["spec"].get("suspend"):
        return False
    return not status.get("startTime") or conditions.is_true(status.get("conditions"), "Suspended")


def _with_new_placement(before: Object, after: Object) -> Object:
    """The old template with what decides where its pods may run, and how much they get, taken from the new one."""
    old_spec, new_spec = before.get("spec") or {}, after.get("spec") or {}
    spec = _replaced(old_spec, new_spec, "nodeSelector", "tolerations", "schedulingGates")
    old_affinity, new_affinity = old_spec.get("affinity") or {}, new_spec.get("affinity") or {}
    affinity = _replaced(old_affinity, new_affinity, "nodeAffinity")
    if affinity or "affinity" in new_spec:
        spec["affinity"] = affinity
    else:
        spec.pop("affinity", None)
    for part in ("containers", "initContainers"):
        if part in old_spec:
            news = new_spec.get(part) or []
            pairs = zip(old_spec[part], [*news, *({} for _ in old_spec[part][len(news) :])], strict=False)
            spec[part] = [_replaced(old, new, "resources") for old, new in pairs]
    metadata = _replaced(before.get("metadata") or {}, after.get("metadata") or {}, "labels", "annotations")
    return {**before, "metadata": metadata, "spec": spec}


def _replaced(old: Mapping[str, Any], new: Mapping[str, Any], *names: str) -> dict[str, Any]:
    kept = {key: value for key, value in old.items() if key not in names}
    return kept | {name: new[name] for name in names if name in new}
