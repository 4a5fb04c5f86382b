"""Which images this kubelet has pulled, and with whose credentials: a pod may use an image on the node only if it could pull it.

One file per image below `image_manager/pulled`, and one per pull that was begun below `image_manager/pulling`, so that a kubelet that was
killed while it pulled still knows that the image did not come with the node. No credential is kept, only hashes of them.
Upstream: https://github.com/kubernetes/kubernetes/tree/master/pkg/kubelet/images/pullmanager
"""

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pinnace.kubelet.image_credentials import Credential

log = logging.getLogger(__name__)

API_VERSION = "kubelet.config.k8s.io/v1beta1"
NEVER, PRELOADED = "NeverVerify", "NeverVerifyPreloadedImages"
ALLOWLISTED, ALWAYS = "NeverVerifyAllowlistedImages", "AlwaysVerify"
POLICIES = (NEVER, PRELOADED, ALLOWLISTED, ALWAYS)


class ImageRecords:
    """`allowed` are images without tag, or with `/*` all that begin so; they count with policy ALLOWLISTED."""

    def __init__(self, root: Path, policy: str = PRELOADED, allowed: Iterable[str] = ()) -> None:
        self._pulled, self._pulling = root / "image_manager" / "pulled", root / "image_manager" / "pulling"
        self._policy, self._allowed = policy, tuple(allowed)
        self._known: dict[str, dict[str, Any] | None] = {}
        self._begun: dict[str, int] = {}

    def must_pull(self, reference: str, image_id: str, credentials: Iterable[Credential]) -> bool:
        """Whether a pod with these credentials has to prove by a pull that it may use this image, which is on the node."""
        record, name = self._record(image_id), repository(reference)
        if self._is_exempt(record, reference, name):
            return False
        found = ((record or {}).get("credentialMapping") or {}).get(name)
        if not found:
            return True
        if found.get("nodePodsAccessible"):
            return False
        cached = found.get("kubernetesSecrets") or []
        for own in credentials:
            if own.source is None:
                continue
            for other in cached:
                is_same_secret = all(
                    own.source[field] == other[field] for field in ("uid", "namespace", "name")
                )
                is_same_login = own.source["credentialHash"] == other["credentialHash"]
                if is_same_login or is_same_secret:
                    if is_same_login != is_same_secret:
                        self._add(reference, image_id, own)
                    return False
        return True

    def _is_exempt(self, record: dict[str, Any] | None, reference: str, name: str) -> bool:
        if self._policy == NEVER:
            return True
        is_preloaded = record is None and not self._intent(reference).exists()
        if self._policy == PRELOADED:
            return is_preloaded
        if self._policy == ALLOWLISTED and is_preloaded:
            return any(
                name.startswith(one[:-1]) if one.endswith("/*") else name == one for one in self._allowed
            )
        return False

    def begin(self, reference: str) -> None:
        """Before a pull; `end` follows, unless the kubelet is killed."""
        self._begun[reference] = self._begun.get(reference, 0) + 1
        _write(self._intent(reference), {"kind": "ImagePullIntent", "image": reference})

    def end(self, reference: str, image_id: str, credential: Credential | None) -> None:
        """After a pull; `credential` is the one that worked, None when the pull failed."""
        if credential is not None:
            self._add(reference, image_id, credential)
        left = self._begun.pop(reference, 1) - 1
        if left > 0:
            self._begun[reference] = left
        else:
            self._intent(reference).unlink(missing_ok=True)

    def prune(self, image_ids: Iterable[str]) -> None:
        """Forget images that are gone."""
        known = {_file_name(one) for one in image_ids}
        for path in self._pulled.glob("sha256-*") if self._pulled.is_dir() else ():
            if path.name not in known:
                path.unlink(missing_ok=True)
                self._known.clear()

    def _add(self, reference: str, image_id: str, credential: Credential) -> None:
        record = self._record(image_id) or {"kind": "ImagePulledRecord", "imageRef": image_id}
        mapping = dict(record.get("credentialMapping") or {})
        name = repository(reference)
        if credential.source is None:
            mapping[name] = {"nodePodsAccessible": True}
        elif not (mapping.get(name) or {}).get("nodePodsAccessible"):
            mapping[name] = {"kubernetesSecrets": _merged(mapping.get(name) or {}, credential.source)}
        if mapping == record.get("credentialMapping"):
            return
        self._known[image_id] = record = {**record, "credentialMapping": mapping}
        _write(self._pulled / _file_name(image_id), record)

    def _record(self, image_id: str) -> dict[str, Any] | None:
        """A record that cannot be read counts as one that knows nobody: the image was pulled, by whom is not known."""
        if image_id not in self._known:
            path = self._pulled / _file_name(image_id)
            try:
                self._known[image_id] = json.loads(path.read_text())
            except FileNotFoundError:
                self._known[image_id] = None
            except (OSError, ValueError) as error:
                log.warning("record of image %s: %s", image_id, error)
                self._known[image_id] = {"kind": "ImagePulledRecord", "imageRef": image_id}
        return self._known[image_id]

    def _intent(self, reference: str) -> Path:
        return self._pulling / _file_name(reference)


def _merged(found: dict[str, Any], source: dict[str, str]) -> list[dict[str, str]]:
    fields = ("uid", "namespace", "name")
    others = [
        one
        for one in found.get("kubernetesSecrets") or ()
        if any(one[name] != source[name] for name in fields)
    ]
    return [*others, source]


def repository(reference: str) -> str:
    """Without tag and digest."""
    name = reference.partition("@")[0]
    head, _, tail = name.rpartition("/")
    return f"{head}/{tail.partition(':')[0]}" if head else tail.partition(":")[0]


def _file_name(text: str) -> str:
    return "sha256-" + hashlib.sha256(text.encode()).hexdigest()


def _write(path: Path, body: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"apiVersion": API_VERSION, **body}))
    fresh.replace(path)
