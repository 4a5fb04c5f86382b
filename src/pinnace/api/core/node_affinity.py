"""Which nodes a pod may run on by `nodeSelector` and required node affinity; how much it prefers each.

Upstream: https://github.com/kubernetes/component-helpers/blob/master/scheduling/corev1/nodeaffinity/nodeaffinity.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.apimachinery import selectors

Term = Mapping[str, Any]


def matches_term(term: Term, labels: Mapping[str, str], node_name: str) -> bool:
    """All expressions of one term hold; a term without any matches nothing."""
    expressions, by_field = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not by_field:
        return False
    fields = {"metadata.name": node_name}
    return all(selectors.node_selector_requirement(one).matches(labels) for one in expressions) and all(
        selectors.node_selector_requirement(one).matches(fields) for one in by_field
    )


def matches_terms(terms: Iterable[Term] | None, labels: Mapping[str, str], node_name: str) -> bool:
    """Any term matches; no terms match nothing."""
    return any(matches_term(term, labels, node_name) for term in terms or ())


def required_terms(pod: Object) -> list[Term] | None:
    """The terms that scheduling requires; None where the pod has no such rule."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or []


def matches(pod: Object, node: Object) -> bool:
    """Whether `nodeSelector` and required node affinity allow this node."""
    labels = meta.labels(node)
    if any(labels.get(key) != value for key, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    terms = required_terms(pod)
    return terms is None or matches_terms(terms, labels, meta.name(node))
