"""What the server itself writes into `metadata`: identity on create, immutability on update. Pure.

Rules: https://github.com/kubernetes/apiserver/blob/master/pkg/registry/rest/create.go and update.go
"""

import random
from datetime import datetime
from typing import Any

from pinnace.apimachinery.times import format_time
from pinnace.apimachinery.uids import random_uid

Object = dict[str, Any]
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: names spell no words
_MAX_GENERATED_BASE = 58
_SERVER_OWNED = ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def generate_name(base: str) -> str:
    """`generateName` plus five random characters, cut to 63."""
    return base[:_MAX_GENERATED_BASE] + "".join(random.choices(_ALPHABET, k=5))


def fill_on_create(obj: Object, now: datetime) -> None:
    metadata = obj["metadata"]
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        metadata.pop(field, None)
    metadata["uid"] = random_uid()
    metadata["creationTimestamp"] = format_time(now)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generate_name(metadata["generateName"])


def carry_over(new: Object, current: Object) -> None:
    """On update the server's own fields come from what is stored, whatever the client sent."""
    metadata, stored = new["metadata"], current["metadata"]
    for field in _SERVER_OWNED:
        if field in stored:
            metadata[field] = stored[field]
        else:
            metadata.pop(field, None)
    metadata.setdefault("uid", stored.get("uid", ""))
    if not metadata.get("resourceVersion") and "resourceVersion" in stored:  # an unconditional update
        metadata["resourceVersion"] = stored["resourceVersion"]
    if "generateName" not in metadata and "generateName" in stored:
        metadata["generateName"] = stored["generateName"]
    if not metadata.get("namespace") and stored.get("namespace"):
        metadata["namespace"] = stored["namespace"]


def same_but_for_bookkeeping(new: Object, current: Object) -> bool:
    """Nothing to write: equal except for the times in managedFields and the resource version."""
    if new.keys() != current.keys():
        return False
    for key, value in new.items():
        if key != "metadata" and value != current[key]:
            return False
    after, before = new["metadata"], current["metadata"]
    for key in ("annotations", "labels"):  # what changes most often, told cheaply
        if (after.get(key) or {}) != (before.get(key) or {}):
            return False
    return _comparable(after) == _comparable(before)


def _comparable(metadata: Object) -> Object:
    entries = [
        {key: value for key, value in entry.items() if key != "time"}
        for entry in metadata.get("managedFields") or ()
    ]
    plain = {
        k: v
        for k, v in metadata.items()
        if k not in ("resourceVersion", "managedFields") and v not in ({}, [])
    }
    return {**plain, "managedFields": entries}
