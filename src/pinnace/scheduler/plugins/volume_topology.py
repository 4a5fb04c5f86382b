"""Where volumes can be reached, as masks over nodes: node affinity of volumes, topologies of classes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pinnace.apimachinery.selectors import Requirement, node_selector_requirement
from pinnace.scheduler.columns import ABSENT
from pinnace.scheduler.framework import Mask, NodeTable
from pinnace.scheduler.plugins.node_affinity import term_matches
from pinnace.scheduler.pod_info import NodeTerm

Term = Mapping[str, Any]


def matches_node_terms(terms: Sequence[Term] | None, nodes: NodeTable) -> Mask:
    """Any term matches; None: no condition."""
    if terms is None:
        return nodes.exists
    mask = np.zeros_like(nodes.exists)
    for term in terms:
        expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
        if not expressions and not fields:
            continue
        if not fields and all(one.get("operator") == "In" for one in expressions):
            mask |= _all_in(((one["key"], one.get("values") or ()) for one in expressions), nodes)
        else:
            mask |= term_matches(NodeTerm(_requirements(expressions), _requirements(fields)), nodes)
    return mask


def _requirements(entries: Iterable[Term]) -> tuple[Requirement, ...]:
    return tuple(node_selector_requirement(one) for one in entries)


def matches_topologies(terms: Iterable[Term], nodes: NodeTable) -> Mask:
    """`allowedTopologies`: any term, of which every expression names one of the node's values."""
    mask = np.zeros_like(nodes.exists)
    for term in terms:
        expressions = term.get("matchLabelExpressions") or ()
        mask |= _all_in(((one["key"], one.get("values") or ()) for one in expressions), nodes)
    return mask


def _all_in(pairs: Iterable[tuple[str, Sequence[str]]], nodes: NodeTable) -> Mask:
    """Nodes that carry, for each label, one of the values: found by the ids of the values, however many nodes there are."""
    mask = nodes.exists.copy()
    for key, values in pairs:
        column = nodes.label(key)
        ids = [found for value in values if (found := column.find(value)) != ABSENT]
        mask &= np.isin(column.ids, ids) if len(ids) != 1 else column.ids == ids[0]
    return mask


def carries_label(key: str, nodes: NodeTable) -> Mask:
    return nodes.label(key).ids != ABSENT


def carries_any(key: str, values: Sequence[str], nodes: NodeTable) -> Mask:
    return _all_in(((key, values),), nodes)
