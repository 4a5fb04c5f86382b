"""What a command is: flags, a function, a sentence; and the flags that every command takes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from pinnace.cli.flags import Flag, Values

if TYPE_CHECKING:
    from pinnace.cli.session import Session

Run = Callable[["Session", Values, list[str]], int]


class Command(NamedTuple):
    """`usage` is the line after the command's name, e.g. `(TYPE NAME | TYPE/NAME)`; `summary` one sentence."""

    run: "Run | None"
    flags: tuple[Flag, ...] = ()
    usage: str = ""
    summary: str = ""
    subcommands: "dict[str, Command]" = {}
    usage_code: int = 1  # the exit code of a wrong flag


GLOBAL_FLAGS = (
    Flag("kubeconfig", help="Path to the kubeconfig file to use."),
    Flag("kuberc", help="Path to the file of preferences; KUBERC=off for none."),
    Flag("context", help="The name of the kubeconfig context to use."),
    Flag("cluster", help="The name of the kubeconfig cluster to use."),
    Flag("user", help="The name of the kubeconfig user to use."),
    Flag("namespace", "n", help="The namespace scope of this request."),
    Flag("server", "s", help="The address of the API server."),
    Flag("token", help="Bearer token for authentication."),
    Flag("certificate-authority", help="Path to a certificate file of the authority."),
    Flag("client-certificate", help="Path to a client certificate."),
    Flag("client-key", help="Path to a client key."),
    Flag("insecure-skip-tls-verify", kind="bool", help="Do not check the server's certificate."),
    Flag("tls-server-name", help="Server name to check the server's certificate against."),
    Flag("as", help="Username to impersonate."),
    Flag("as-group", kind="repeat", help="Group to impersonate; may be repeated."),
    Flag("as-uid", help="UID to impersonate."),
    Flag("as-user-extra", kind="repeat", help="key=value of the user to impersonate; may be repeated."),
    Flag("username", help="Username for basic authentication."),
    Flag("password", help="Password for basic authentication."),
    Flag(
        "request-timeout", default="0", help="How long to wait for one request, e.g. 10s; 0 means for ever."
    ),
    Flag("cache-dir", help="Where to keep discovery between calls; default $HOME/.kube/cache."),
    Flag("disable-compression", kind="bool", help="Do not ask the server for compressed answers."),
    Flag("match-server-version", kind="bool", help="Refuse a server of another version than this client."),
    Flag("warnings-as-errors", kind="bool", help="Exit with 1 when the server warned."),
    Flag("v", "v", kind="int", help="Log level; from 6 on requests are shown on standard error."),
    Flag("help", "h", kind="bool", help="Show help."),
)

# Families of flags that commands share.
PLAIN_FILES = (
    Flag("filename", "f", kind="list", help="Files, directories, URLs or - to read resources from."),
    Flag("recursive", "R", kind="bool", help="Read directories given with -f recursively."),
)
FILES = (*PLAIN_FILES, Flag("kustomize", "k", help="A directory with a kustomization file."))
SELECTOR = Flag("selector", "l", help="Label selector, e.g. -l app=web,tier!=db.")
ALL_NAMESPACES = Flag("all-namespaces", "A", kind="bool", help="All namespaces.")
SELECTION = (
    SELECTOR,
    Flag("field-selector", help="Field selector, e.g. --field-selector status.phase=Running."),
    ALL_NAMESPACES,
)
OUTPUT = (
    Flag(
        "output",
        "o",
        help="json, yaml, kyaml, name, go-template=..., jsonpath=..., custom-columns=..., wide.",
    ),
    Flag("show-managed-fields", kind="bool", help="Keep managedFields in json and yaml."),
    Flag("template", help="The template of -o go-template (also without -o) and -o jsonpath."),
    Flag(
        "allow-missing-template-keys", kind="bool", default=True, help="Ignore missing fields in templates."
    ),
)
CHUNK_SIZE = Flag(
    "chunk-size",
    kind="int",
    default=500,
    help="Ask for lists in chunks of this size; 0 asks for all at once.",
)
DRY_RUN = Flag("dry-run", default="none", bare="unchanged", help='"none", "server" or "client".')
FIELD_MANAGER = Flag("field-manager", help="Name of the manager that owns the fields.")
