"""ImageLocality: prefer nodes that already have the pod's images, the more so the larger and more widely spread they are."""

from typing import ClassVar, Literal

import numpy as np

from pinnace.scheduler.framework import MAX_SCORE, NodeTable, PodInfo, Scores
from pinnace.scheduler.node_table import normalised_image

MEGABYTE = 1024 * 1024
SMALLEST, LARGEST = 23 * MEGABYTE, 1000 * MEGABYTE  # per pod, and per container


class ImageLocality:
    name: ClassVar[str] = "ImageLocality"
    score_reads: ClassVar[Literal["nodes"]] = "nodes"

    def scores(self, pod: PodInfo, nodes: NodeTable) -> bool:
        return any(nodes.image_sets.values)

    def score(self, pod: PodInfo, nodes: NodeTable) -> Scores:
        sets = nodes.image_sets
        on_nodes = sets.ids[nodes.exists]
        members = np.bincount(on_nodes, minlength=len(sets.values))  # nodes per distinct set
        sizes = [dict(images) for images in sets.values]
        total = np.zeros(len(sets.values) + 1)
        for image in map(normalised_image, pod.demand.images):
            size = np.array([images.get(image, 0) for images in sizes], np.float64)
            share = members[size > 0].sum() / max(1, len(nodes))
            total[:-1] += np.floor(size * share)
        highest = LARGEST * max(1, len(pod.demand.images))
        score = MAX_SCORE * (np.clip(total, SMALLEST, highest) - SMALLEST) // (highest - SMALLEST)
        return score.astype(np.int64)[sets.ids]

    def normalize(self, scores: Scores, highest: int) -> Scores:
        return scores
