"""`labels` and `commonLabels`: on objects; on templates and in selectors where it is asked for."""

from typing import Any

from pinnace.cli.kustomize.field_tables import CLAIM_TEMPLATE_LABELS, LABELS, SELECTORS, TEMPLATE_LABELS
from pinnace.cli.kustomize.fields import FieldSpec, change, from_user
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource_set import ResourceSet

Object = dict[str, Any]


def transform(_: Folder, content: Object, resources: ResourceSet) -> None:
    for row in content.get("labels") or ():
        _put(resources, row.get("pairs"), _fields(row))
    _put(resources, content.get("commonLabels"), [*SELECTORS, *LABELS, *TEMPLATE_LABELS])


def _fields(row: Object) -> list[FieldSpec]:
    own = [from_user(spec) for spec in row.get("fields") or ()]
    if row.get("includeSelectors"):
        return [*own, *SELECTORS, *LABELS, *TEMPLATE_LABELS]
    if row.get("includeTemplates"):
        own += TEMPLATE_LABELS
    if row.get("includeVolumeClaimTemplates"):
        own += CLAIM_TEMPLATE_LABELS
    return [*own, *LABELS]


def _put(resources: ResourceSet, pairs: dict[str, str] | None, fields: list[FieldSpec]) -> None:
    if pairs:
        for one in resources.items:
            change(one, fields, lambda holder, key: holder[key].update(pairs), dict)
