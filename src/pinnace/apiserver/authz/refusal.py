"""The words of a 403."""

from pinnace.apimachinery import errors
from pinnace.apiserver.authz.attributes import Attributes


def refusal(attributes: Attributes, reason: str = "") -> errors.Forbidden:
    """`pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"`."""
    text = f'User "{attributes.user.name}" cannot {attributes.verb} '
    if not attributes.is_resource:
        text += f'path "{attributes.path}"'
        return errors.Forbidden(f"forbidden: {text}{_suffix(reason)}")
    resource = attributes.resource + (f"/{attributes.subresource}" if attributes.subresource else "")
    text += f'resource "{resource}" in API group "{attributes.group}"'
    text += f' in the namespace "{attributes.namespace}"' if attributes.namespace else " at the cluster scope"
    return errors.forbidden(attributes.resource, attributes.name, text + _suffix(reason), attributes.group)


def _suffix(reason: str) -> str:
    return f": {reason}" if reason else ""
