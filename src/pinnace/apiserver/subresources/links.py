"""Links in what a proxied server answers: those that name a place on that server lead back through the proxy. Pure.

A page behind `/api/v1/namespaces/x/pods/y/proxy/` that links to `/style.css` means its own root, not the API server's.
Upstream: https://github.com/kubernetes/apimachinery/blob/master/pkg/util/proxy/transport.go
"""

import html
import re
from urllib.parse import urlsplit, urlunsplit

_LINKING = (
    "action", "background", "cite", "codebase", "data", "formaction", "href", "icon", "longdesc", "manifest", "poster",
    "profile", "src",
)  # fmt: skip
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)"  # comments, and the text of scripts and styles, are left alone
    r"|(?P<raw><(?:script|style)\b[^<>]*>)(?P<text>.*?)(?=</(?:script|style)\b|\Z)"
    r"|(?P<tag><[A-Za-z][^<>]*>)",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE = re.compile(
    rf"""(?P<head>\s(?:{"|".join(_LINKING)})\s*=\s*)(?:"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<bare>[^\s"'>]+))""",
    re.IGNORECASE,
)


def rewrite_link(link: str, prefix: str, backend: str) -> str:
    """`link` as found in an answer of `backend` (its host:port); `prefix` is the proxy's path, without a slash at the end."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return link
    if parts.netloc and (parts.scheme not in ("", "http", "https") or parts.netloc != backend):
        return link
    if (parts.scheme and not parts.netloc) or (not parts.netloc and not parts.path.startswith("/")):
        return link  # mailto:, data:, #fragment, relative paths
    path = parts.path or "/"
    if path == prefix or path.startswith(f"{prefix}/"):
        return link
    return urlunsplit(("", "", prefix + path, parts.query, parts.fragment))


def rewrite_page(page: str, prefix: str, backend: str) -> str:
    """An HTML page with the links of its tags rewritten; everything else stays as it is."""

    def attribute(match: re.Match[str]) -> str:
        quote = '"' if match["double"] is not None else "'" if match["single"] is not None else ""
        value = match["double"] or match["single"] or match["bare"] or ""
        link = html.unescape(value)
        new = rewrite_link(link, prefix, backend)
        if new == link:
            return match[0]
        return f"{match['head']}{quote}{html.escape(new)}{quote}"

    def tag(match: re.Match[str]) -> str:
        if match["raw"] is not None:
            return _ATTRIBUTE.sub(attribute, match["raw"]) + match["text"]
        return _ATTRIBUTE.sub(attribute, match["tag"]) if match["tag"] is not None else match[0]

    return _TAG.sub(tag, page)
