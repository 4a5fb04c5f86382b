"""What a request to the kubelet asks for, in the API server's terms (pure): verb and subresources of this node.

Any one of the subresources suffices; they stand from the finest to `proxy`, which covers everything else.
https://github.com/kubernetes/kubernetes/blob/master/pkg/kubelet/server/auth.go
"""

VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_WHOLE = {"/stats": "stats", "/metrics": "metrics", "/logs": "log", "/checkpoint": "checkpoint"}
_FINE = {"/configz": "configz", "/pods": "pods", "/runningpods": "pods", "/healthz": "healthz"}


def verb_of(method: str) -> str:
    return VERBS.get(method, method.lower())


def subresources_of(path: str) -> list[str]:
    for prefix, subresource in _WHOLE.items():
        if path == prefix or path.startswith(f"{prefix}/"):
            return [subresource]
    for prefix, subresource in _FINE.items():
        if path.rstrip("/") == prefix or path.startswith(f"{prefix}/"):
            return [subresource, "proxy"]
    return ["proxy"]
