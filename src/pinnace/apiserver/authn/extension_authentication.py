"""The ConfigMap `kube-system/extension-apiserver-authentication`: how extension API servers recognise users and the front proxy."""

from typing import Any

import orjson

from pinnace.apiserver.config import ApiServerConfig

NAME = "extension-apiserver-authentication"


def config_map(config: ApiServerConfig) -> dict[str, Any]:
    data = {"client-ca-file": config.client_ca_file.read_text()}
    if config.requestheader_client_ca_file is not None:
        lists = {
            "allowed-names": config.requestheader_allowed_names,
            "extra-headers-prefix": config.requestheader_extra_headers_prefix,
            "group-headers": config.requestheader_group_headers,
            "uid-headers": config.requestheader_uid_headers,
            "username-headers": config.requestheader_username_headers,
        }
        data["requestheader-client-ca-file"] = config.requestheader_client_ca_file.read_text()
        data |= {f"requestheader-{key}": orjson.dumps(list(value)).decode() for key, value in lists.items()}
    return {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": NAME, "namespace": "kube-system"},
        "data": dict(sorted(data.items())),
    }
