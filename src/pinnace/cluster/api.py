"""A few blocking calls to the cluster's own API, for commands that run beside the server."""

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from pinnace.api import meta
from pinnace.api.resources import BY_GVK


class ClusterApi:
    """Speaks as the cluster's administrator, with the token of the data directory."""

    def __init__(self, server: str, directory: Path) -> None:
        self._server = server
        self._token = (directory / "token").read_text().strip()
        self._context = ssl.create_default_context(cafile=str(directory / "ca.crt"))

    def request(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Any:
        """The decoded answer; raises RuntimeError with the server's message."""
        data = None if body is None else json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": content_type,
            "Accept": "application/json",
        }
        call = urllib.request.Request(self._server + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(call, context=self._context, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error).get("message", str(error))) from error

    def apply(self, manifest: dict[str, Any], field_manager: str = "pinnace") -> Any:
        """Server-side apply."""
        gvr = BY_GVK[meta.gvk(manifest)].gvr
        path = gvr.path(meta.namespace(manifest) or None, meta.name(manifest))
        return self.request(
            "PATCH",
            f"{path}?fieldManager={field_manager}&force=true",
            manifest,
            "application/apply-patch+yaml",
        )
