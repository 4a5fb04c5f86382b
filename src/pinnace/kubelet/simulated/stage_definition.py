"""The CustomResourceDefinition of KWOK's Stage, as far as fields go; its texts are our own."""

from typing import Any

from pinnace.apimachinery.gvk import GVR

STAGES = GVR("kwok.x-k8s.io", "v1alpha1", "stages")

Schema = dict[str, Any]
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}


def _object(required: tuple[str, ...] = (), /, **properties: Schema) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _described(schema: Schema, text: str) -> Schema:
    return {**schema, "description": text}


def _milliseconds(text: str) -> Schema:
    return {"type": "integer", "format": "int64", "minimum": 0, "description": text}


_EXPRESSION_FROM = _object(expressionFrom=_described(_TEXT, "A jq expression over the object."))
_AS_USER = _object(("username",), username=_TEXT)
_SELECTOR = _object(
    matchLabels=_TEXTS,
    matchAnnotations=_TEXTS,
    matchExpressions=_list({
        **_object(
            key=_described(_TEXT, "A jq expression over the object."),
            operator=_described(_TEXT, "In, NotIn, Exists or DoesNotExist."),
            values=_list(_TEXT),
            expression=_described(_TEXT, "A CEL expression over `self`, instead of key and operator."),
        ),
        "x-kubernetes-validations": [
            {"rule": "has(self.expression) != has(self.key)", "message": "expression and key are mutually exclusive"},
            {"rule": "!has(self.key) || has(self.operator)", "message": "key and operator must be set together"},
        ],
    }),
)  # fmt: skip
_DELAY = _object(
    durationMilliseconds=_milliseconds("How long the stage waits once it was chosen."),
    durationFrom=_described(_EXPRESSION_FROM, "A time, or a duration such as 10s; durationMilliseconds if it gives nothing."),
    jitterDurationMilliseconds=_milliseconds("The wait is chosen at random between the duration and this."),
    jitterDurationFrom=_EXPRESSION_FROM,
)  # fmt: skip
_FINALIZERS = _list(_object(value=_TEXT))
_NEXT = _object(
    event=_object(type=_TEXT, reason=_TEXT, message=_TEXT),
    finalizers=_object(add=_FINALIZERS, remove=_FINALIZERS, empty=_FLAG),
    delete=_FLAG,
    patches=_list(
        _object(
            subresource=_TEXT,
            root=_described(_TEXT, "The field that the rendered template becomes, e.g. status."),
            template=_described(_TEXT, "A Go template that renders to YAML."),
            type={"type": "string", "enum": ["json", "merge", "strategic"]},
            impersonation=_AS_USER,
        )
    ),
    statusTemplate=_described(_TEXT, "The same as one patch with subresource and root status."),
    statusSubresource={"type": "string", "default": "status"},
    statusPatchAs=_AS_USER,
)
_SPEC = _object(
    ("resourceRef", "next"),
    resourceRef=_object(("kind",), apiGroup={"type": "string", "default": "v1"}, kind=_TEXT),
    selector=_described(_SELECTOR, "Without a selector the stage is never chosen."),
    weight={"type": "integer", "minimum": 0, "default": 0},
    weightFrom=_EXPRESSION_FROM,
    delay=_DELAY,
    next=_NEXT,
    immediateNextStage=_described(
        _FLAG, "Choose the next stage from the answer, before the watch tells of it."
    ),
)
_CONDITION = _object(
    ("type", "status", "reason", "message", "lastTransitionTime"),
    type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT,
    lastTransitionTime={"type": "string", "format": "date-time"},
)  # fmt: skip
_STATUS = _object(
    conditions={**_list(_CONDITION), "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
)

DEFINITION: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "stages.kwok.x-k8s.io"},
    "spec": {
        "group": STAGES.group,
        "scope": "Cluster",
        "names": {"kind": "Stage", "listKind": "StageList", "plural": "stages", "singular": "stage"},
        "versions": [
            {
                "name": STAGES.version,
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    {"name": "Kind", "type": "string", "jsonPath": ".spec.resourceRef.kind"},
                    {
                        "name": "Accepted",
                        "type": "string",
                        "jsonPath": '.status.conditions[?(@.type=="Accepted")].status',
                    },
                    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                ],
                "schema": {
                    "openAPIV3Schema": {
                        **_object(
                            ("spec",),
                            apiVersion=_TEXT,
                            kind=_TEXT,
                            metadata={"type": "object"},
                            spec=_SPEC,
                            status=_STATUS,
                        ),
                        "description": "What happens next to the simulated pods or nodes that are in a certain state.",
                    }
                },
            }
        ],
    },
}
