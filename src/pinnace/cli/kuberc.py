"""The user's preferences: `--kuberc FILE`, $KUBERC, or ~/.kube/kuberc. Aliases and defaults are written into the command line.

https://kubernetes.io/docs/reference/kubectl/kuberc/
"""

import os
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from pinnace.cli.errors import CliError, PlainError

if TYPE_CHECKING:
    from pinnace.cli.command import Command

Object = dict[str, Any]
Find = Callable[[list[str]], "tuple[Command, list[str], list[str]] | None"]  # command, its words, the others
FLAG = "kuberc"
GROUP, VERSIONS = "kubectl.config.k8s.io", ("v1", "v1beta1", "v1alpha1")
POLICIES = ("", "AllowAll", "DenyAll", "Allowlist")
_ENTRY = frozenset(["name", "default"])
_DEFAULT = {"command", "options"}
_ALIAS = {"name", "command", "prependArgs", "appendArgs", "options"}
_PREFERENCE = {"apiVersion", "kind", "aliases", "defaults", "credentialPluginPolicy", "credentialPluginAllowlist"}  # fmt: skip


class Source(NamedTuple):
    """Where preferences stand; no path when they are switched off."""

    path: str
    is_explicit: bool


def source(flag: str) -> Source:
    given = os.environ.get("KUBERC", "")
    if given == "off":
        if flag:
            raise CliError("disabling kuberc via KUBERC=off and passing kuberc flag are mutually exclusive")
        return Source("", False)
    if flag or given:
        return Source(flag or given, True)
    return Source(os.path.expanduser("~/.kube/kuberc"), False)  # noqa: PTH111 (start-up time)


def applied(argv: list[str], program: str, find: Find) -> tuple[list[str], Object]:
    """The command line that is meant, and the preferences; {} without any."""
    try:
        preference = _load(argv)
        if not preference:
            return argv, {}
        _check(preference)
        return _with_defaults(*_with_alias(argv, preference, program, find), preference, find), preference
    except CliError as error:
        raise PlainError(f"error occurred while applying preferences {error}") from error


# --- reading


def _load(argv: list[str]) -> Object:
    where = source(_explicit(argv))
    if not where.path:
        return {}
    try:
        found, strict = read(where.path)
    except (OSError, CliError) as error:
        text = (
            f"open {where.path}: {str(error.strerror).lower()}" if isinstance(error, OSError) else str(error)
        )
        if where.is_explicit:
            raise CliError(f"kuberc error kuberc: {text}") from error
        if not isinstance(error, FileNotFoundError):
            sys.stderr.write(f"kuberc: no preferences loaded from {where.path}: {text}")
        return {}
    if strict:
        sys.stderr.write(f"kuberc: ignoring strict decoding error in {where.path}: {strict}")
    return found


def _explicit(argv: list[str]) -> str:
    for at, word in enumerate(argv):
        if word == "--":
            break
        name, _, value = word.partition("=")
        if name == f"--{FLAG}":
            value = value or ("" if "=" in word else "".join(argv[at + 1 : at + 2]))
            if not value:
                raise CliError("kuberc file is not found")
            return value
    return ""


def read(path: str) -> tuple[Object, str]:
    """(the first preferences in a file, what a strict reader says against them); raises OSError and CliError."""
    import yaml  # here, since most calls have no preferences

    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:  # noqa: PTH123 (start-up time)
        text = file.read()
    documents = [part for part in re.split(r"(?m)^---.*\n", text) if part.strip()]
    for document in documents:
        try:
            found = yaml.safe_load(document)
        except (yaml.YAMLError, ValueError, RecursionError):  # a ValueError: a date that is none
            continue
        group, _, version = (
            str(found.get("apiVersion")).partition("/") if isinstance(found, dict) else ("", "", "")
        )
        if group == GROUP and version in VERSIONS and found.get("kind") == "Preference" and _has_types(found):
            unknown = list(_unknown(found))
            return found, f"strict decoding error: {', '.join(unknown)}" if unknown else ""
    if documents:
        raise CliError(f"no valid preferences found in {path}, use --v=5 to see details")
    return {}, ""


def _has_types(found: Object) -> bool:
    """Whether a lenient decoder would take it."""
    lists = [found.get(name) for name in ("aliases", "defaults", "credentialPluginAllowlist")]
    if not all(isinstance(entries, list | None) for entries in lists):
        return False
    for entries in lists:
        for one in entries or ():
            if not isinstance(one, dict):
                return False
            inner = [one.get(name) for name in ("options", "prependArgs", "appendArgs")]
            if not all(isinstance(words, list | None) for words in inner):
                return False
            options = one.get("options") or ()
            if not all(isinstance(option, dict) for option in options):
                return False
            texts = [one.get("name", ""), one.get("command", ""), *(one.get("prependArgs") or ()), *(one.get("appendArgs") or ())]  # fmt: skip
            texts += [option.get(field, "") for option in options for field in ("name", "default")]
            if any(not isinstance(text, str) for text in texts):
                return False
    return True


def _unknown(found: Object) -> "list[str]":
    names = [name for name in found if name not in _PREFERENCE]
    for section, fields in (("aliases", _ALIAS), ("defaults", _DEFAULT)):
        for at, one in enumerate(found.get(section) or ()):
            names += [f"{section}[{at}].{name}" for name in one if name not in fields]
            for index, option in enumerate(one.get("options") or ()):
                names += [f"{section}[{at}].options[{index}].{n}" for n in option if n not in _ENTRY]
    return [f'unknown field "{name}"' for name in names]


def _check(preference: Object) -> None:
    names: set[str] = set()
    for alias in preference.get("aliases") or ():
        name = alias.get("name", "")
        if not re.fullmatch(r"[a-zA-Z]+", name):
            raise CliError("invalid alias name, can only include alphabetical characters")
        _check_options(alias)
        if name in names:
            raise CliError(f"duplicate alias name {name}")
        names.add(name)
    for default in preference.get("defaults") or ():
        _check_options(default)
    policy = preference.get("credentialPluginPolicy") or ""
    if policy not in POLICIES:
        raise CliError(f'invalid credential plugin policy: "{policy}"')


def _check_options(one: Object) -> None:
    for option in one.get("options") or ():
        if option.get("name", "").startswith("-"):
            raise CliError(f"flag name {option['name']} should be in long form without dashes")


def check_plugin(preference: Object, plugin: Object) -> None:
    """Raises CliError for a credential plugin of the kubeconfig that the user's policy keeps from running."""
    import shutil

    policy, command = preference.get("credentialPluginPolicy") or "", str(plugin.get("command"))
    if policy in ("", "AllowAll"):
        return
    path = shutil.which(command)
    entries = preference.get("credentialPluginAllowlist") or () if policy == "Allowlist" else ()
    if path is None or not any(shutil.which(str(entry.get("name"))) == path for entry in entries):
        raise PlainError(
            f'Unable to connect to the server: getting credentials: plugin "{command}" is not allowed: the credential plugin '
            f'policy is set to "{policy}"'
        )


# --- writing it into the command line


def _with_alias(argv: list[str], preference: Object, program: str, find: Find) -> tuple[list[str], str]:
    """(the command line with the alias written out, its name if there was one)."""
    if find(argv) is not None:
        return argv, ""
    at = next((at for at, word in enumerate(argv) if not word.startswith(("-", "__complete"))), -1)
    for alias in preference.get("aliases") or () if at >= 0 else ():
        if alias["name"] != argv[at]:
            continue
        words = alias.get("command", "").split()
        found = find(words)
        if found is None:
            raise CliError(
                f'command "{alias.get("command", "")}" not found to set alias "{alias["name"]}": [{" ".join(words)}]'
            )
        options = []
        for name, value in _open_options(alias, found[0], argv):
            if _flag_of(found[0], name) is None:
                raise CliError(f"invalid alias flag {name} in alias {program}")
            _try_value(
                found[0], name, value, f"could not apply value {value} to flag {name} in alias {program}"
            )
            options.append(f"--{name}={value}")
        user = argv[at + 1 :]
        args = [*(alias.get("prependArgs") or ()), *user, *(alias.get("appendArgs") or ())]
        return [*argv[:at], *words, *options, *args], alias["name"]
    return argv, ""


def _with_defaults(argv: list[str], alias: str, preference: Object, find: Find) -> list[str]:
    found = find(argv)
    if found is None:
        return argv
    command, path, _ = found
    name, options = alias or path[-1], []
    for default in preference.get("defaults") or ():
        text = default.get("command", "")
        words = text.split()
        if words == [alias]:
            raise CliError(f"alias {alias} can not be overridden")
        meant = find(words)
        if meant is None:
            print(f'Warning: command "{text}" not found to set kuberc override', file=sys.stderr)
            continue
        if meant[1][-1] != name:
            continue
        for flag, value in _open_options(default, command, argv):
            if _flag_of(command, flag) is None:
                raise CliError(f"invalid flag {flag} for command {text}")
            about = f"could not apply override value {value} to flag {flag} in command {text}"
            _try_value(command, flag, value, about)
            options.append(f"--{flag}={value}")
    if not options:
        return argv
    end = _end_of(argv, path)
    return [*argv[:end], *options, *argv[end:]]


def _end_of(argv: list[str], path: list[str]) -> int:
    """Where the words of the command end."""
    at = 0
    for word in path:
        at = argv.index(word, at) + 1
    return at


def _open_options(one: Object, command: "Command", argv: list[str]) -> list[tuple[str, str]]:
    """(name, value) of the options that the user did not give."""
    found = []
    for option in one.get("options") or ():
        name = option.get("name", "")
        flag = _flag_of(command, name)
        if flag is None or not _is_given(name, flag.short, command, argv):
            found.append((name, option.get("default", "")))
    return found


def _flag_of(command: "Command", name: str) -> Any:
    from pinnace.cli.command import GLOBAL_FLAGS

    return next((flag for flag in (*command.flags, *GLOBAL_FLAGS) if flag.name == name), None)


def _is_given(name: str, short: str, command: "Command", argv: list[str]) -> bool:
    from pinnace.cli.command import GLOBAL_FLAGS

    shorts = {flag.short for flag in (*command.flags, *GLOBAL_FLAGS) if flag.short}
    for word in argv:
        if word == f"--{name}" or word.startswith(f"--{name}="):
            return True
        if short and word.startswith(f"-{short}"):
            return True
        letters = word[1:]
        if short and re.fullmatch(r"-[a-zA-Z]+", word) and short in letters and set(letters) <= shorts:
            return True
    return False


def _try_value(command: "Command", name: str, value: str, about: str) -> None:
    from pinnace.cli.command import GLOBAL_FLAGS
    from pinnace.cli.flags import parse

    try:
        parse([f"--{name}={value}"], (*command.flags, *GLOBAL_FLAGS), "")
    except CliError as error:
        raise CliError(f"{about} err: {error}") from error
