"""KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1): the document that `--kube-scheduler-config` names, read strictly.

Errors are upstream's: unknown fields and wrong types as its decoder words them, then all findings of its validation, then
what keeps a profile from being built. What the document says about things that this scheduler does not have (threads, its
own connection, its own leader election) is checked and named in `SchedulerSettings.without_effect`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause
from pinnace.apimachinery.times import parse_duration
from pinnace.scheduler import plugin_args
from pinnace.scheduler.plugin_sets import DEFAULTS, MULTI_POINT, POINTS, PluginError, PluginSet, resolve
from pinnace.scheduler.pod_info import DEFAULT_SCHEDULER
from pinnace.scheduler.settings import ExtenderSettings, PluginArgs, ProfileSettings, SchedulerSettings
from pinnace.scheduler.strict_decoding import DecodingError, Shape, check

Object = Mapping[str, Any]
Found = Iterator[Cause]

KIND, API_VERSION = "KubeSchedulerConfiguration", "kubescheduler.config.k8s.io/v1"
REMOVED = ("AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits")

_PLUGINS: Shape = [{"name": "string", "weight": "int32"}]
_SET: Shape = {"enabled": _PLUGINS, "disabled": _PLUGINS}
_PROFILE: Shape = {
    "schedulerName": "string", "percentageOfNodesToScore": "int32",
    "plugins": dict.fromkeys((*POINTS, MULTI_POINT), _SET),
    "pluginConfig": [{"name": "string", "args": "any"}],
}  # fmt: skip
_ELECTION: Shape = {
    "leaderElect": "bool", "leaseDuration": "Duration", "renewDeadline": "Duration", "retryPeriod": "Duration",
    "resourceLock": "string", "resourceName": "string", "resourceNamespace": "string",
}  # fmt: skip
_CONNECTION: Shape = {
    "kubeconfig": "string", "acceptContentTypes": "string", "contentType": "string", "qps": "any", "burst": "int32",
}  # fmt: skip
_EXTENDER: Shape = {
    "urlPrefix": "string", "filterVerb": "string", "preemptVerb": "string", "prioritizeVerb": "string",
    "weight": "int64", "bindVerb": "string", "enableHTTPS": "bool", "httpTimeout": "Duration", "nodeCacheCapable": "bool",
    "ignorable": "bool", "managedResources": [{"name": "string", "ignoredByScheduler": "bool"}],
    "tlsConfig": {
        "insecure": "bool", "serverName": "string", "certFile": "string", "keyFile": "string", "caFile": "string",
        "certData": "string", "keyData": "string", "caData": "string",
    },
}  # fmt: skip
_DOCUMENT: Shape = {
    "kind": "string", "apiVersion": "string", "parallelism": "int32", "leaderElection": _ELECTION,
    "clientConnection": _CONNECTION, "enableProfiling": "bool", "enableContentionProfiling": "bool",
    "percentageOfNodesToScore": "int32", "podInitialBackoffSeconds": "int64", "podMaxBackoffSeconds": "int64",
    "profiles": [_PROFILE], "extenders": [_EXTENDER], "delayCacheUntilActive": "bool",
}  # fmt: skip
WITHOUT_EFFECT = (
    "parallelism", "leaderElection", "clientConnection", "enableProfiling", "enableContentionProfiling", "delayCacheUntilActive",
)  # fmt: skip


class ConfigurationError(ValueError):
    """A document that cannot be used; the text says all that is wrong with it."""


def read(document: Any) -> SchedulerSettings:
    """Raises ConfigurationError."""
    if not isinstance(document, dict):
        raise ConfigurationError(f"couldn't get version/kind; json parse error: must be a {KIND}")
    _check_kind(document)
    try:
        unknown = check(document, _DOCUMENT, KIND)
        unknown += _unknown_arguments(document)
    except DecodingError as error:
        raise ConfigurationError(str(error)) from None
    if unknown:
        raise ConfigurationError(f"strict decoding error: {', '.join(unknown)}")
    causes = list(_validate(document))
    if causes:
        raise ConfigurationError(_joined([f"{cause.field}: {cause.message}" for cause in causes]))
    try:
        return _settings(document)
    except PluginError as error:
        raise ConfigurationError(str(error)) from None


def _joined(texts: Sequence[str]) -> str:
    """As upstream's aggregate of errors."""
    distinct = list(dict.fromkeys(texts))
    return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]"


def _check_kind(document: Object) -> None:
    for field, name in (("kind", "Kind"), ("apiVersion", "apiVersion")):
        if not document.get(field):
            raise ConfigurationError(f"Object '{name}' is missing in the document")
    kind, version = document["kind"], document["apiVersion"]
    if version != API_VERSION or kind != KIND:
        raise ConfigurationError(
            f'no kind "{kind}" is registered for version "{version}" in scheme '
            '"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme/scheme.go"'
        )


def _profiles(document: Object) -> list[Object]:
    return document.get("profiles") or [{}]


def _name(profile: Object, count: int) -> str:
    """A sole profile without a name is that of the default scheduler."""
    name = profile.get("schedulerName")
    return DEFAULT_SCHEDULER if name is None and count == 1 else name or ""


def _unknown_arguments(document: Object) -> list[str]:
    found = []
    for number, profile in enumerate(_profiles(document)):
        for position, entry in enumerate(profile.get("pluginConfig") or ()):
            name, args = entry.get("name") or "", entry.get("args")
            shape = plugin_args.SHAPES.get(name)
            if shape is None or args is None:
                continue
            where = f"decoding .profiles[{number}].pluginConfig[{position}]"
            kind = f"{name}Args"
            if isinstance(args, dict) and args.get("kind") not in (None, kind):
                raise DecodingError(
                    f"{where}: args for plugin {name} were not of type {kind}.{API_VERSION.split('/', maxsplit=1)[0]}, got {args['kind']}"
                )
            typed = {"kind": "string", "apiVersion": "string", **shape}
            unknown = check(args, typed, kind)
            if unknown:
                found.append(
                    f"{where}: decoding args for plugin {name}: strict decoding error: {', '.join(unknown)}"
                )
    return found


# --- validation


def _validate(document: Object) -> Found:
    election = document.get("leaderElection") or {}
    lock = election.get("resourceLock")
    if lock not in (None, "leases") and election.get("leaderElect", True):
        yield fields.invalid("leaderElection.resourceLock", lock, 'resourceLock value must be "leases"')
    parallelism = document.get("parallelism")
    if parallelism is not None and parallelism <= 0:
        yield fields.invalid("parallelism", parallelism, "should be an integer value greater than zero")
    profiles = _profiles(document)
    seen: dict[str, int] = {}
    for number, profile in enumerate(profiles):
        path, name = f"profiles[{number}]", _name(profile, len(profiles))
        if not name:
            yield fields.required(f"{path}.schedulerName")
        yield from _percentage(profile, path)
        yield from _validate_plugins(profile, path)
        if name in seen:
            yield fields.duplicate(f"{path}.schedulerName", f"profiles[{seen[name]}].schedulerName")
        seen[name] = number
    yield from _percentage(document, "")
    first, longest = _backoff(document)
    if first <= 0:
        yield fields.invalid("podInitialBackoffSeconds", first, "must be greater than 0")
    if longest < first:
        why = "must be greater than or equal to PodInitialBackoffSeconds"
        yield fields.invalid("podMaxBackoffSeconds", longest, why)
    yield from _validate_extenders(document.get("extenders") or ())


def _validate_extenders(extenders: Sequence[Object]) -> Found:
    seen: set[str] = set()
    for number, one in enumerate(extenders):
        path = f"extenders[{number}]"
        if one.get("prioritizeVerb") and (one.get("weight") or 0) <= 0:
            yield fields.invalid(
                f"{path}.weight", one.get("weight") or 0, "must have a positive weight applied to it"
            )
        if one.get("preemptVerb"):
            yield fields.forbidden(f"{path}.preemptVerb", "this scheduler asks no extender about victims")
        for field in ("serverName", "certData", "keyData"):
            if (one.get("tlsConfig") or {}).get(field):
                yield fields.forbidden(f"{path}.tlsConfig.{field}", "not supported by this scheduler")
        if not str(one.get("urlPrefix") or "").startswith(("http://", "https://")):
            yield fields.invalid(
                f"{path}.urlPrefix", one.get("urlPrefix") or "", "must be an http or https URL"
            )
        try:
            parse_duration(one.get("httpTimeout") or "5s")
        except ValueError:
            yield fields.invalid(f"{path}.httpTimeout", one["httpTimeout"], "invalid duration")
        for position, resource in enumerate(one.get("managedResources") or ()):
            here, name = f"{path}.managedResources[{position}].name", resource.get("name") or ""
            yield from fields.all_invalid(here, name, names.qualified_name(name))
            if "/" not in name or name.split("/")[0].endswith("kubernetes.io"):
                yield fields.invalid(here, name, "is an invalid extended resource name")
            if name in seen:
                yield fields.invalid(here, name, "duplicate extender managed resource name")
            seen.add(name)
    binders = sum(bool(one.get("bindVerb")) for one in extenders)
    if binders > 1:
        yield fields.invalid(
            "extenders",
            f"found {binders} extenders implementing bind",
            "only one extender can implement bind",
        )


def _extender(one: Object) -> ExtenderSettings:
    return ExtenderSettings(
        one["urlPrefix"], one.get("filterVerb") or "", one.get("prioritizeVerb") or "", one.get("weight") or 0,
        one.get("bindVerb") or "", bool(one.get("enableHTTPS")), one.get("tlsConfig") or {},
        parse_duration(one.get("httpTimeout") or "5s") or 5.0, bool(one.get("nodeCacheCapable")),
        frozenset(resource.get("name") or "" for resource in one.get("managedResources") or ()),
        bool(one.get("ignorable")),
    )  # fmt: skip


def _ignored(document: Object) -> frozenset[str]:
    """Resources that extenders see to and the scheduler need not."""
    return frozenset(
        resource.get("name") or ""
        for one in document.get("extenders") or ()
        for resource in one.get("managedResources") or ()
        if resource.get("ignoredByScheduler")
    )


def _percentage(body: Object, path: str) -> Found:
    percentage = body.get("percentageOfNodesToScore")
    if percentage is not None and not 0 <= percentage <= 100:
        field = f"{path}.percentageOfNodesToScore" if path else "percentageOfNodesToScore"
        yield fields.invalid(field, percentage, "not in valid range [0-100]")


def _backoff(document: Object) -> tuple[int, int]:
    first, longest = document.get("podInitialBackoffSeconds"), document.get("podMaxBackoffSeconds")
    return 1 if first is None else first, 10 if longest is None else longest


def _validate_plugins(profile: Object, path: str) -> Found:
    removed = (
        f'was invalid in version "{API_VERSION}" (KubeSchedulerConfiguration is version "{API_VERSION}")'
    )
    for point, plugins in (profile.get("plugins") or {}).items():
        for position, plugin in enumerate((plugins or {}).get("enabled") or ()):
            if plugin.get("name") in REMOVED:
                yield fields.invalid(f"{path}.plugins.{point}.enabled[{position}]", plugin["name"], removed)
    seen: set[str] = set()
    for position, entry in enumerate(profile.get("pluginConfig") or ()):
        here, name = f"{path}.pluginConfig[{position}]", entry.get("name") or ""
        if name in seen:
            yield fields.duplicate(here, name)
        seen.add(name)
        if name in REMOVED:
            yield fields.invalid(here, name, removed)
        elif name not in DEFAULTS:
            yield fields.invalid(here, name, "no such plugin")
        elif entry.get("args") is not None and name not in plugin_args.SHAPES:
            yield fields.forbidden(f"{here}.args", f"plugin {name} takes no arguments")
        elif entry.get("args") is not None:
            yield from plugin_args.validate(name, entry["args"], f"{here}.args")


# --- what it says


def _settings(document: Object) -> SchedulerSettings:
    profiles = _profiles(document)
    first, longest = _backoff(document)
    return SchedulerSettings(
        tuple(_profile(profile, _name(profile, len(profiles)), document) for profile in profiles),
        float(first), float(longest), tuple(map(_extender, document.get("extenders") or ())),
        tuple(field for field in WITHOUT_EFFECT if document.get(field) is not None),
    )  # fmt: skip


def _profile(profile: Object, name: str, document: Object) -> ProfileSettings:
    try:
        points = resolve({point: _set(body) for point, body in (profile.get("plugins") or {}).items()})
    except PluginError as error:
        why = f"initializing profiles: creating profile for scheduler name {name}: {error}"
        raise PluginError(why) from None
    args = PluginArgs()
    for entry in profile.get("pluginConfig") or ():
        if entry.get("args") is not None:
            args = plugin_args.apply(args, entry["name"], entry["args"])
    if ignored := _ignored(document):
        args = replace(args, fit=replace(args.fit, ignored_resources=args.fit.ignored_resources | ignored))
    percentage = profile.get("percentageOfNodesToScore")
    if percentage is None:
        percentage = document.get("percentageOfNodesToScore") or 0
    return ProfileSettings(name, points, args, percentage)


def _set(body: Object | None) -> PluginSet:
    body = body or {}
    return PluginSet(
        tuple((one.get("name") or "", one.get("weight") or 0) for one in body.get("enabled") or ()),
        frozenset(one.get("name") or "" for one in body.get("disabled") or ()),
    )
