"""Query parameters of requests, read and judged as upstream does.

Combinations: https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/internalversion/validation/validation.go
"""

from typing import Any, Protocol

from pinnace.apimachinery import errors, selectors
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.registry.context import DeleteOptions, WriteContext
from pinnace.apiserver.registry.managed_fields import manager_of
from pinnace.apiserver.request import Request
from pinnace.apiserver.storage.options import ListOptions, WatchOptions
from pinnace.apiserver.storage.scope import Scope

_TRUE = frozenset(("1", "t", "T", "true", "True", "TRUE"))
_FALSE = frozenset(("", "0", "f", "F", "false", "False", "FALSE"))
_MATCHES = ("Exact", "NotOlderThan", "")
_VALIDATIONS = ("", "Ignore", "Warn", "Strict")


class FieldCheck(Protocol):
    """The part of a strategy that knows which fields can be selected by."""

    def unsupported_field_label(self, label: str) -> str: ...


def boolean(request: Request, name: str) -> bool:
    """A query parameter that is present without a value counts as true, as upstream reads it."""
    values = request.query.get(name)
    if not values:
        return False
    if values[0] in _TRUE or values[0] == "":
        return True
    if values[0] in _FALSE:
        return False
    raise errors.BadRequest(f'strconv.ParseBool: parsing "{values[0]}": invalid syntax')


def integer(request: Request, name: str) -> int | None:
    text = request.param(name)
    if not text:
        return None
    try:
        number = int(text)
    except ValueError:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if not -(2**63) <= number < 2**63:
        raise errors.BadRequest(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


def scope_of(request: Request, namespace: str, supported: FieldCheck) -> Scope:
    """Namespace and selectors; raises BadRequest for a selector that cannot be read or names an unknown field."""
    return parse_scope(namespace, request.param("labelSelector"), request.param("fieldSelector"), supported)


def parse_scope(namespace: str, labels: str, fields: str, supported: FieldCheck) -> Scope:
    try:
        label_selector = selectors.parse(labels)
        field_selector = selectors.parse_fields(fields) if fields else ()
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
    if "sendInitialEvents" in request.query:
        raise _invalid("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
    if match:
        _check_list_match(match, version, continue_token)
    return ListOptions(scope, max(limit, 0), continue_token, version, match)  # type: ignore[arg-type]  # checked above


def _check_list_match(match: str, version: str, continue_token: str) -> None:
    field = "resourceVersionMatch"
    if not version:
        raise _invalid(field, f"Forbidden: {field} is forbidden unless resourceVersion is provided")
    if continue_token:
        raise _invalid(field, f"Forbidden: {field} is forbidden when continue is provided")
    if match not in _MATCHES:
        raise _unsupported(field, match, '"Exact", "NotOlderThan", ""')
    if match == "Exact" and version == "0":
        raise _invalid(field, f'Forbidden: {field} "exact" is forbidden for resourceVersion "0"')


def watch_options(request: Request, scope: Scope) -> WatchOptions:
    initial = boolean(request, "sendInitialEvents") if "sendInitialEvents" in request.query else None
    match = request.param("resourceVersionMatch")
    field = "resourceVersionMatch"
    if match and initial is None:
        raise _invalid(
            field, f"Forbidden: {field} is forbidden for watch unless sendInitialEvents is provided"
        )
    if initial is not None and not match:
        raise _invalid(field, f"Forbidden: sendInitialEvents requires setting {field} to NotOlderThan")
    if match and match != "NotOlderThan":
        raise _unsupported(field, match, '"NotOlderThan"')
    if request.param("continue"):
        raise _invalid("continue", "Forbidden: continue is forbidden for watch")
    bookmarks = boolean(request, "allowWatchBookmarks")
    return WatchOptions(scope, request.param("resourceVersion"), bookmarks, initial)


def _invalid(field: str, message: str) -> errors.Invalid:
    cause = Cause("FieldValueForbidden", message, field)
    return errors.invalid("ListOptions", "", [cause], "meta.k8s.io")


def _unsupported(field: str, value: str, supported: str) -> errors.Invalid:
    cause = Cause(
        "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {supported}', field
    )
    return errors.invalid("ListOptions", "", [cause], "meta.k8s.io")


def write_context(request: Request, kind: str = "CreateOptions") -> WriteContext:
    """`dryRun`, `fieldManager`, `fieldValidation`, `force` of a changing request."""
    dry_run, validation = request.query.get("dryRun", []), request.param("fieldValidation")
    causes = [
        Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: "All"', "dryRun")
        for value in dry_run
        if value != "All"
    ]
    if validation not in _VALIDATIONS:
        message = f'Unsupported value: "{validation}": supported values: "", "Ignore", "Strict", "Warn"'
        causes.append(Cause("FieldValueNotSupported", message, "fieldValidation"))
    manager = request.param("fieldManager")
    if len(manager.encode()) > 128:
        causes.append(Cause("FieldValueTooLong", "Too long: may not be more than 128 bytes", "fieldManager"))
    if manager and not manager.isprintable():
        causes.append(
            Cause("FieldValueInvalid", f'Invalid value: "{manager}": should only contain printable characters', "fieldManager")
        )  # fmt: skip
    if causes:
        raise errors.invalid(kind, "", causes, "meta.k8s.io")
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
    causes = [
        Cause("FieldValueNotSupported", f'Unsupported value: "{value}": supported values: "All"', "dryRun")
        for value in given
        if value != "All"
    ]
    if causes:
        raise errors.invalid("DeleteOptions", "", causes, "meta.k8s.io")
    return True
