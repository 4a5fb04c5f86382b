"""`kuberc view|set`: the file of the user's preferences."""

import os
import sys
from typing import Any

from pinnace.cli import kuberc, printers
from pinnace.cli.command import OUTPUT, Command
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
DEFAULTS, ALIASES, CREDENTIALS = "defaults", "aliases", "credentialplugin"
OFF = "KUBERC is disabled via KUBERC=off environment variable"
EMPTY = {"apiVersion": "kubectl.config.k8s.io/v1beta1", "kind": "Preference"}


def view(session: Session, flags: Values, arguments: list[str]) -> int:
    where = kuberc.source(flags["kuberc"])
    if not where.path:
        raise CliError(OFF)
    try:
        found, _ = kuberc.read(where.path)
    except FileNotFoundError:
        raise CliError(f"kuberc file not found at {where.path}") from None
    except OSError as error:
        reason = str(error.strerror).lower()
        raise CliError(f"error reading kuberc file: open {where.path}: {reason}") from error
    flags["output"] = flags["output"] or "yaml"
    shown = {"aliases": [], "defaults": [], **(found or EMPTY)}
    printers.printer(flags, lambda _: "preference.kubectl.config.k8s.io/")(shown)
    return 0


def change(session: Session, flags: Values, arguments: list[str]) -> int:
    for flag in ("section",) if flags["section"] == CREDENTIALS else ("section", "command"):
        if flag not in flags.given:
            raise CliError(f'required flag(s) "{flag}" not set')
    where = kuberc.source(flags["kuberc"])
    if not where.path:
        raise CliError(OFF)
    _check(flags)
    preference = _current(where.path)
    if flags["section"] == CREDENTIALS:
        _set_policy(preference, flags)
    elif flags["section"] == DEFAULTS:
        _set_entry(preference, flags, "command", f'defaults for command "{flags["command"]}" already exist')
    else:
        _set_entry(preference, flags, "name", f'alias "{flags["name"]}" already exists')
    _save(preference, where.path)
    print(f"Updated {where.path}")
    return 0


def _check(flags: Values) -> None:
    section = flags["section"]
    if section not in (DEFAULTS, ALIASES, CREDENTIALS):
        raise CliError(f'--section must be "{DEFAULTS}" or "{ALIASES}" or "{CREDENTIALS}", got: {section}')
    if section == ALIASES and not flags["name"]:
        raise CliError(f"--name is required when --section={ALIASES}")
    if section != ALIASES and flags["name"]:
        raise CliError(f"--name should not be specified when --section={section}")
    if section != ALIASES and (flags["prependarg"] or flags["appendarg"]):
        raise CliError(f"--prependarg and --appendarg are only valid for --section={ALIASES}")
    if section != CREDENTIALS and (flags["policy"] or flags["allowlist-entry"]):
        raise CliError(f"--policy and --allowlist-entry are only valid for --section={CREDENTIALS}")
    if section == CREDENTIALS and flags["policy"] not in kuberc.POLICIES[1:]:
        raise CliError(f"--policy must be one of AllowAll, DenyAll, Allowlist, got: {flags['policy']}")
    if flags["allowlist-entry"] and flags["policy"] != "Allowlist":
        raise CliError("--allowlist-entry is only valid for --policy=Allowlist")


def _current(path: str) -> Object:
    try:
        found, _ = kuberc.read(path)
    except FileNotFoundError:
        found = {}
    except (OSError, CliError) as error:
        raise CliError(f"error reading kuberc file: {error}") from error
    return found or dict(EMPTY)


def _options(flags: Values) -> list[Object]:
    found = []
    for text in flags["option"]:
        name, equals, value = text.partition("=")
        if not equals:
            raise CliError(f'invalid option format "{text}", expected flag=value')
        found.append({"name": name.lstrip("-"), "default": value})
    return found


def _set_entry(preference: Object, flags: Values, key: str, exists: str) -> None:
    """Of aliases, by their name, or of defaults, by their command."""
    entries = preference[flags["section"]] = list(preference.get(flags["section"]) or ())
    at = next((at for at, entry in enumerate(entries) if entry.get(key) == flags[key]), len(entries))
    if at < len(entries) and not flags["overwrite"]:
        raise CliError(f"{exists}, use --overwrite to replace")
    before = entries[at] if at < len(entries) else {}
    new: Object = {"command": flags["command"]}
    if key == "name":
        new = {"name": flags["name"], **new}
        for field, given in (("prependArgs", flags["prependarg"]), ("appendArgs", flags["appendarg"])):
            if given or before.get(field):
                new[field] = given or before[field]
    options = _options(flags) or before.get("options")
    if options or key == "command":
        new["options"] = options or []
    entries[at:] = [new, *entries[at + 1 :]]


def _set_policy(preference: Object, flags: Values) -> None:
    if preference.get("credentialPluginPolicy") and not flags["overwrite"]:
        raise CliError("credential plugin policy already exists, use --overwrite to replace")
    preference["credentialPluginPolicy"] = flags["policy"]
    preference.pop("credentialPluginAllowlist", None)
    names = []
    for text in flags["allowlist-entry"]:
        key, equals, value = text.partition("=")
        if not equals or key != "name" or not value:
            raise CliError(f'invalid allowlist entry "{text}", expected name=value')
        names.append({"name": value})
    if names:
        preference["credentialPluginAllowlist"] = names


def _save(preference: Object, path: str) -> None:
    """Whole or not at all."""
    text = printers.to_text(preference, "yaml")
    folder = os.path.dirname(path)  # noqa: PTH120 (start-up time)
    try:
        if folder:
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        with open(f"{path}.new", "w") as file:  # noqa: PTH123
            file.write(text)
        os.replace(f"{path}.new", path)  # noqa: PTH105
    except OSError as error:
        raise CliError(f"error writing kuberc file: {path}: {str(error.strerror).lower()}") from error
    sys.stdout.flush()


KUBERC = Command(
    None, usage="SUBCOMMAND", summary="Manage the preferences of the command line (aliases, defaults).",
    subcommands={
        "set": Command(
            change,
            (
                Flag("section", help='"defaults", "aliases" or "credentialplugin".'),
                Flag("command", help="The command, e.g. get, create, or set env."),
                Flag("name", help="Name of the alias."),
                Flag("option", kind="repeat", help="flag=value; may be repeated."),
                Flag("prependarg", kind="repeat", help="Argument that the alias puts first; may be repeated."),
                Flag("appendarg", kind="repeat", help="Argument that the alias puts last; may be repeated."),
                Flag("policy", help="Which credential plugins may run: AllowAll, DenyAll or Allowlist."),
                Flag("allowlist-entry", kind="repeat", help="name=PLUGIN that may run; may be repeated."),
                Flag("overwrite", kind="bool", help="Replace what is there already."),
            ),
            "--section (defaults|aliases|credentialplugin) --command COMMAND",
            "Set values in the preferences.",
        ),
        "view": Command(view, OUTPUT, "", "Display the preferences."),
    },
)  # fmt: skip
