"""Query parameters of requests, read and judged as upstream does.

Combinations: https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/internalversion/validation/validation.go
"""

import re
from typing import Any, Protocol

from pinnace.api import fields, selector_text
from pinnace.api.metadata import validate_field_manager
from pinnace.apimachinery import errors, selectors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.registry.managed_fields import manager_of
from pinnace.apiserver.request import Request
from pinnace.apiserver.request_info import is_true
from pinnace.apiserver.storage.options import ListOptions, WatchOptions
from pinnace.apiserver.storage.scope import Scope

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}\Z")
_MATCHES = ("Exact", "NotOlderThan")
_VALIDATIONS = ("", "Ignore", "Warn", "Strict")


class FieldCheck(Protocol):
    """The part of a strategy that knows which fields can be selected by."""

    def unsupported_field_label(self, label: str) -> str: ...


def boolean(request: Request, name: str) -> bool:
    return is_true(request.query, name)


def integer(request: Request, name: str) -> int | None:
    text = request.param(name)
    if not text:
        return None
    if _INTEGER.match(text) and -(1 << 63) <= (value := int(text)) < 1 << 63:
        return value
    why = "value out of range" if text.lstrip("+-").isdigit() and text.isascii() else "invalid syntax"
    raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": {why}')


def scope_of(request: Request, namespace: str, supported: FieldCheck) -> Scope:
    """Namespace and selectors; raises BadRequest for a selector that cannot be read or names an unknown field."""
    return parse_scope(namespace, request.param("labelSelector"), request.param("fieldSelector"), supported)


def parse_scope(namespace: str, labels: str, selected: str, supported: FieldCheck) -> Scope:
    try:
        label_selector = selector_text.parse(labels)
        field_selector = selectors.parse_fields(selected) if selected else ()
    except selectors.SelectorError as error:
        raise errors.BadRequest(f"{error}") from error
    for requirement in field_selector:
        why = supported.unsupported_field_label(requirement.path)
        if why:
            raise errors.BadRequest(why)
    return Scope(namespace, label_selector, field_selector)


def list_options(request: Request, scope: Scope) -> ListOptions:
    limit, continue_token = integer(request, "limit") or 0, request.param("continue")
    version, match = request.param("resourceVersion"), request.param("resourceVersionMatch")
    if match or "sendInitialEvents" in request.query:
        _check_list(request, match, version, continue_token)
    return ListOptions(scope, max(limit, 0), continue_token, version, match)  # type: ignore[arg-type]  # checked above


def _check_list(request: Request, match: str, version: str, continue_token: str) -> None:
    field, found = "resourceVersionMatch", []
    if match and not version:
        found.append(fields.forbidden(field, f"{field} is forbidden unless resourceVersion is provided"))
    if match and continue_token:
        found.append(fields.forbidden(field, f"{field} is forbidden when continue is provided"))
    if match and match not in _MATCHES:
        found.append(fields.not_supported(field, match, (*_MATCHES, "")))
    if match == "Exact" and version == "0":
        found.append(fields.forbidden(field, f'{field} "exact" is forbidden for resourceVersion "0"'))
    if "sendInitialEvents" in request.query:
        found.append(fields.forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    _refuse("ListOptions", found)


def watch_options(request: Request, scope: Scope) -> WatchOptions:
    """A `limit` or `continue` means nothing to a watch."""
    initial = boolean(request, "sendInitialEvents") if "sendInitialEvents" in request.query else None
    match = request.param("resourceVersionMatch")
    if match or initial is not None:
        _check_watch(match, initial, request.param("continue"))
    bookmarks = boolean(request, "allowWatchBookmarks")
    return WatchOptions(scope, request.param("resourceVersion"), bookmarks, initial)


def _check_watch(match: str, initial: bool | None, continue_token: str) -> None:
    field, found = "resourceVersionMatch", []
    if initial is not None and match != "NotOlderThan":
        found.append(fields.forbidden(field, f"sendInitialEvents requires setting {field} to NotOlderThan"))
    if match and initial is None:
        why = f"{field} is forbidden for watch unless sendInitialEvents is provided"
        found.append(fields.forbidden(field, why))
    if match and match != "NotOlderThan":
        found.append(fields.not_supported(field, match, ("NotOlderThan",)))
    if match and continue_token:
        found.append(fields.forbidden(field, f"{field} is forbidden when continue is provided"))
    _refuse("ListOptions", found)


def _refuse(kind: str, found: list[Cause]) -> None:
    if found:
        raise errors.invalid(kind, "", found, "meta.k8s.io")


def dry_run_causes(given: list[str]) -> list[Cause]:
    if all(value == "All" for value in given):
        return []
    shown = ", ".join(map(fields.text, given))  # as Go prints a list of strings
    message = f'Unsupported value: []string{{{shown}}}: supported values: "All"'
    return [Cause("FieldValueNotSupported", message, "dryRun")]


def write_context(request: Request, kind: str = "CreateOptions") -> WriteContext:
    """`dryRun`, `fieldManager`, `fieldValidation`, `force` of a changing request."""
    dry_run, validation = request.query.get("dryRun", []), request.param("fieldValidation")
    manager = request.param("fieldManager")
    if manager or dry_run or validation not in _VALIDATIONS:
        found = [*validate_field_manager(manager, "fieldManager"), *dry_run_causes(dry_run)]
        if validation not in _VALIDATIONS:
            found.append(fields.not_supported("fieldValidation", validation, sorted(_VALIDATIONS)))
        _refuse(kind, found)
    return WriteContext(
        user=request.user,
        now=request.services.clock.now(),
        manager=manager_of(manager, request.user_agent),
        dry_run=bool(dry_run),
        force=boolean(request, "force"),
        field_validation=validation or "Warn",
        warnings=request.warnings,
        annotations=request.audit_annotations,
        asked_manager=manager,
        asked_validation=validation,
    )


def delete_options(request: Request, body: Any) -> DeleteOptions:
    """From the body when there is one, else from the query."""
    if body:
        return _delete_options_from(body)
    orphan = boolean(request, "orphanDependents") if "orphanDependents" in request.query else None
    return DeleteOptions(integer(request, "gracePeriodSeconds"), request.param("propagationPolicy"), orphan)


def _delete_options_from(body: Any) -> DeleteOptions:
    if not isinstance(body, dict) or body.get("kind", "DeleteOptions") != "DeleteOptions":
        raise errors.BadRequest("decoded object cannot be converted to DeleteOptions")
    grace, policy = body.get("gracePeriodSeconds"), body.get("propagationPolicy") or ""
    orphan, preconditions = body.get("orphanDependents"), body.get("preconditions") or {}
    if (
        not (grace is None or (isinstance(grace, int) and not isinstance(grace, bool)))
        or not isinstance(policy, str)
        or not (orphan is None or isinstance(orphan, bool))
        or not isinstance(preconditions, dict)
    ):
        raise errors.BadRequest("json: cannot unmarshal the fields of DeleteOptions: wrong type")
    return DeleteOptions(
        grace,
        policy,
        orphan,
        str(preconditions.get("uid") or ""),
        str(preconditions.get("resourceVersion") or ""),
    )


def is_dry_run(body: Any) -> bool:
    """What the body of a delete says; raises Invalid for anything that is not understood: a dry run must not delete."""
    given = body.get("dryRun") if isinstance(body, dict) else None
    if not given:
        return False
    if not isinstance(given, list):
        raise errors.BadRequest("json: cannot unmarshal the fields of DeleteOptions: wrong type")
    _refuse("DeleteOptions", dry_run_causes([str(value) for value in given]))
    return True
