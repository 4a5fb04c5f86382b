"""Reading kubeconfig files: which server, which certificate authority, which credentials, which namespace.

Several files (`$KUBECONFIG` is a list) are merged as kubectl does: the first one that names a thing wins.
Left out: auth provider plugins of old; exec credential plugins are run by whoever connects.
"""

import contextlib
import json
import os
import re
from binascii import a2b_base64
from typing import Any, NamedTuple

Object = dict[str, Any]
EXEC_EXTENSION = "client.authentication.k8s.io/exec"  # of a cluster: what its credential plugin is told
_NAMED = {"clusters": "cluster", "users": "user", "contexts": "context"}


class KubeconfigError(ValueError):
    """The configuration names something that is not there, or is not readable."""


class KubeconfigErrors(KubeconfigError):
    """Of several files, a line for each."""


class Unusable(KubeconfigError):
    """What the configuration says of a cluster or a user cannot be used as it is."""


class Connection(NamedTuple):
    """How to reach and be known to one cluster. Certificates and keys are PEM text."""

    server: str
    ca: str = ""
    insecure: bool = False
    tls_server_name: str = ""
    certificate: str = ""
    key: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    exec_plugin: Object | None = None
    namespace: str = ""
    proxy_url: str = ""
    token_file: str = (
        ""  # read again now and then; `token` is what it held, or what counts when it cannot be read
    )
    impersonate: tuple[tuple[str, str], ...] = ()  # headers
    compresses: bool = True
    cluster_config: Any = None  # for the credential plugin


# Names of files are text here: pathlib takes 3 ms to import, which every call of the command line would pay.
def default_paths(explicit: str = "") -> list[str]:
    """`explicit` alone, else the files of $KUBECONFIG, else ~/.kube/config."""
    if explicit:
        return [explicit]
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [os.path.join(os.path.expanduser("~"), ".kube", "config")]  # noqa: PTH111, PTH118


def load(explicit: str = "", *, resolve: bool = True) -> Object:
    """The merged configuration; file names in it are made absolute, or left as they are. An explicit file must exist."""
    merged: Object = {"apiVersion": "v1", "kind": "Config", "clusters": [], "contexts": [], "users": [],
                      "current-context": "", "preferences": {}}  # fmt: skip
    problems: list[KubeconfigError] = []
    for path in default_paths(explicit):
        try:
            text = _text(path)
            folder = os.path.dirname(os.path.abspath(path)) if resolve else ""  # noqa: PTH100, PTH120
            _merge(merged, parse(text, path), folder)
        except KubeconfigError as error:
            problems.append(error)
        except FileNotFoundError:
            if explicit:
                raise KubeconfigError(f"stat {path}: no such file or directory") from None
            continue
        except OSError as error:
            doing = "read" if error.filename is None or isinstance(error, IsADirectoryError) else "open"
            reason = f"{doing} {path}: {str(error.strerror).lower()}"
            raise KubeconfigError(f'error loading config file "{path}": {reason}') from error
        except UnicodeDecodeError as error:
            raise KubeconfigError(f'error loading config file "{path}": it is not UTF-8 text') from error
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise KubeconfigErrors("\n".join(map(str, problems))) from problems[0]
    return merged


def parse(text: str, name: str = "") -> Object:
    found: Any = None
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):
            found = json.loads(text)
    if found is not None:
        pass
    elif (simple := simple_yaml(text)) is not None:
        found = simple
    else:
        import yaml  # here, since most programs never need it

        try:
            found = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (a safe loader)
        except yaml.YAMLError as error:
            raise KubeconfigError(f'error loading config file "{name}": yaml: {_told(error)}') from error
    if found is None:
        return {}
    if wrong := _wrong_type(found):
        raise KubeconfigError(f'error loading config file "{name}": {wrong}')
    return found


_BASE64 = re.compile("[A-Za-z0-9+/]*={0,2}")
_HEAD = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
)
_SCHEME = (
    "k8s.io/client-go/tools/clientcmd/api/latest/latest.go:50"  # upstream's words name a line of its own
)
_KINDS: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    int: "number",
    float: "number",
    bool: "bool",
}
_TEXTS = {
    "clusters": ("server", "tls-server-name", "certificate-authority", "certificate-authority-data", "proxy-url"),
    "users": ("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile",
              "username", "password"),
    "contexts": ("cluster", "user", "namespace"),
}  # fmt: skip


def _wrong_type(found: Any) -> str:
    """What of the file is not of its type, as Go's decoder says it; "" when all is well."""

    def told(value: Any, field: str, wanted: str) -> str:
        kind = _KINDS.get(type(value), "string")
        return f"json: cannot unmarshal {kind} into Go struct field {field} of type {wanted}"

    if not isinstance(found, dict):
        kind = _KINDS.get(type(found), "string")
        return f"couldn't get version/kind; json parse error: json: cannot unmarshal {kind} into Go value of type {_HEAD}"
    kind, version = found.get("kind") or "Config", found.get("apiVersion") or "v1"
    if kind != "Config" or version != "v1":
        return f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"'

    current = found.get("current-context")
    if not isinstance(current, str | None):
        return told(current, "Config.current-context", "string")
    for section, inner in _NAMED.items():
        kind = inner.capitalize() if inner != "user" else "AuthInfo"
        entries = found.get(section)
        if not isinstance(entries, list | None):
            return told(entries, f"Config.{section}", f"[]v1.Named{kind}")
        for entry in entries or ():
            if not isinstance(entry, dict):
                return told(entry, f"Config.{section}", f"v1.Named{kind}")
            if not isinstance(entry.get("name"), str | None):
                return told(entry["name"], f"Named{kind}.{section}.name", "string")
            body = entry.get(inner)
            if not isinstance(body, dict | None):
                return told(body, f"Named{kind}.{section}.{inner}", f"v1.{kind}")
            texts: Object = body or {}
            for field in _TEXTS[section]:
                if not isinstance(texts.get(field), str | None):
                    return told(texts[field], f"{kind}.{section}.{inner}.{field}", "string")
                if field.endswith("-data") and (at := _wrong_base64(texts.get(field) or "")) >= 0:
                    return f"illegal base64 data at input byte {at}"
            for field in ("insecure-skip-tls-verify", "disable-compression"):
                if not isinstance(texts.get(field), bool | None):
                    return told(texts[field], f"{kind}.{section}.{inner}.{field}", "bool")
    return ""


def _wrong_base64(text: str) -> int:
    """Where it stops being base64; -1 when it is."""
    text = text.replace("\n", "").replace("\r", "")
    match = _BASE64.match(text)
    assert match is not None
    if match.end() == len(text) and len(text) % 4 == 0:
        return -1
    return match.end() if match.end() < len(text) else len(text) - len(text) % 4


def _told(error: Any) -> str:
    """With the line as upstream's reader counts it: from one while it looks at characters, from nought while at the grammar."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return str(error)
    line = mark.line + (type(error).__name__ == "ScannerError")
    return f"line {line}: {error.problem}" if line else str(error.problem)


# A mapping entry or list item whose value is plain beyond doubt: no quotes, anchors, comments, flows, numbers or dates.
_LINE = re.compile(r"( *)((?:- )*)([A-Za-z][\w.-]*):(?: ([A-Za-z/_.][\w./:+=@-]*|\"\"|\{\}|\[\]))?")
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None, '""': ""}
_DOUBTFUL = frozenset(["y", "yes", "n", "no", "on", "off", "true", "false", "null"])


def simple_yaml(text: str) -> Object | None:
    """The value of YAML as kubectl and `pinnace up` write it; None for anything else. Ten times faster than importing a parser."""
    lines: list[tuple[int, str, str | None]] = []  # (indent, key, value); "-" as a key opens a list item
    for line in text.splitlines():
        match = _LINE.fullmatch(line.rstrip())
        if match is None:
            if line.strip():
                return None
            continue
        indent, dashes, key, value = len(match[1]), match[2], match[3], match[4]
        for _ in range(len(dashes) // 2):
            lines.append((indent, "-", None))
            indent += 2
        if value is not None and value.lower() in _DOUBTFUL and value not in _CONSTANTS:
            return None
        if value is not None and (value.endswith(":") or value in (".", "..")):
            return None
        lines.append((indent, key, value))
    if not lines:
        return {}
    try:
        value, end = _block(lines, 0, 0)
    except ValueError:
        return None
    return value if end == len(lines) and isinstance(value, dict) else None


def _block(lines: list[tuple[int, str, str | None]], at: int, indent: int) -> tuple[Any, int]:
    """The mapping or list that begins at a line; ValueError for an indentation that fits nowhere."""
    if lines[at][1] == "-":
        items = []
        while at < len(lines) and lines[at][0] == indent and lines[at][1] == "-":
            item, at = _block(lines, at + 1, indent + 2)
            items.append(item)
        return items, at
    found: Object = {}
    while at < len(lines) and lines[at][0] == indent and lines[at][1] != "-":
        _, key, value = lines[at]
        at += 1
        if value is not None:
            found[key] = (
                {"{}": dict, "[]": list}[value]() if value in ("{}", "[]") else _CONSTANTS.get(value, value)
            )
        elif at < len(lines) and (lines[at][0] > indent or (lines[at][0] == indent and lines[at][1] == "-")):
            found[key], at = _block(lines, at, lines[at][0])
        else:
            found[key] = None
    if at < len(lines) and lines[at][0] > indent:
        raise ValueError("indentation")
    return found, at


def _merge(merged: Object, more: Object, folder: str) -> None:
    for section, inner in _NAMED.items():
        known = {entry["name"] for entry in merged[section]}
        for entry in more.get(section) or ():
            if entry.setdefault("name", "") not in known:
                merged[section].append({**entry, inner: _absolute(entry.get(inner) or {}, folder)})
    merged["preferences"] = {**(more.get("preferences") or {}), **merged["preferences"]}
    merged["current-context"] = merged["current-context"] or more.get("current-context") or ""


def _absolute(body: Object, folder: str) -> Object:
    paths = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
    found = {
        key: os.path.normpath(os.path.join(folder, value)) if key in paths and value and folder else value  # noqa: PTH118
        for key, value in body.items()
    }
    plugin = found.get("exec")
    if isinstance(plugin, dict) and "/" in str(plugin.get("command")) and folder:
        found["exec"] = {**plugin, "command": os.path.normpath(os.path.join(folder, plugin["command"]))}  # noqa: PTH118
    return found


def entry(config: Object, section: str, name: str) -> Object | None:
    """The body of a named cluster, user or context."""
    for candidate in config.get(section) or ():
        if candidate["name"] == name:
            body: Object = candidate.get(_NAMED[section]) or {}
            return body
    return None


def connection(config: Object, *, context: str = "", cluster: str = "", user: str = "") -> Connection:
    """The connection of a context (the current one by default); cluster and user may be exchanged."""
    name = context or config.get("current-context") or ""
    chosen = entry(config, "contexts", name) if name else {}
    if chosen is None:
        if context:
            raise KubeconfigError(f'context "{context}" does not exist')
        chosen = {}
    cluster_name, user_name = cluster or chosen.get("cluster", ""), user or chosen.get("user", "")
    at = entry(config, "clusters", cluster_name) if cluster_name else {}
    who = entry(config, "users", user_name) if user_name else {}
    if at is None:
        if cluster:
            raise KubeconfigError(f'cluster "{cluster_name}" does not exist')
        at = {}  # a context that names nothing: nothing is configured, as upstream has it
    if who is None:
        if user:
            raise KubeconfigError(f'auth info "{user_name}" does not exist')
        who = {}
    token = who.get("token", "")
    if who.get("tokenFile"):
        token = _token_in(who["tokenFile"], token)
    return Connection(
        server=at.get("server", ""),
        insecure=bool(at.get("insecure-skip-tls-verify")),
        tls_server_name=at.get("tls-server-name", ""),
        certificate=_pem(who, "client-certificate", user_name),
        key=_pem(who, "client-key", user_name),
        ca=_pem(at, "certificate-authority", cluster_name),
        token=token,
        username=who.get("username", ""),
        password=who.get("password", ""),
        exec_plugin=who.get("exec"),
        namespace=chosen.get("namespace", ""),
        proxy_url=at.get("proxy-url", ""),
        token_file=who.get("tokenFile", ""),
        impersonate=impersonation(who),
        compresses=not at.get("disable-compression"),
        cluster_config=next((e.get("extension") for e in at.get("extensions") or () if e.get("name") == EXEC_EXTENSION), None),
    )  # fmt: skip


def impersonation(user: Object) -> tuple[tuple[str, str], ...]:
    """`as` and its kin as headers; the keys of extra values are written as URLs write them."""
    if not user.get("as"):
        return ()
    headers = [("Impersonate-User", user["as"])]
    headers += [("Impersonate-Group", group) for group in user.get("as-groups") or ()]
    if user.get("as-uid"):
        headers.append(("Impersonate-Uid", user["as-uid"]))
    for key, values in (user.get("as-user-extra") or {}).items():
        from urllib.parse import quote

        headers += [(f"Impersonate-Extra-{quote(key, safe='')}", value) for value in values]
    return tuple(headers)


def _token_in(path: str, otherwise: str) -> str:
    try:
        return _text(path).strip() or otherwise
    except OSError as error:
        if otherwise:
            return otherwise
        raise Unusable(f"open {path}: {str(error.strerror).lower()}") from error


_SHORT = {"client-certificate": "client-cert"}


def _pem(body: Object, name: str, owner: str) -> str:
    """Inline data wins over a file, as upstream has it."""
    if body.get(f"{name}-data"):
        text = body[f"{name}-data"].replace("\n", "").replace("\r", "")
        try:
            return a2b_base64(text, strict_mode=True).decode()
        except ValueError as error:  # never mind what it is: without it, others would be trusted
            raise KubeconfigError(f"illegal base64 data in {name}-data") from error
    if not body.get(name):
        return ""
    try:
        return _text(body[name])
    except OSError as error:
        about = f"unable to read {_SHORT.get(name, name)} {body[name]} for {owner}"
        raise Unusable(f"{about} due to open {body[name]}: {str(error.strerror).lower()}") from error


def _text(path: str) -> str:
    with open(path) as file:  # noqa: PTH123
        return file.read()
