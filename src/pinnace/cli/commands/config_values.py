"""`config set` and `config unset`: one value of the kubeconfig by its name, e.g. `clusters.NAME.server`."""

import base64
import binascii
import re
from typing import Any

from pinnace.cli.command import Command
from pinnace.cli.commands import config_files
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.help import unexpected
from pinnace.cli.session import Session

Object = dict[str, Any]
FIELDS = {
    "clusters": {"server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority",
                 "certificate-authority-data", "proxy-url", "disable-compression"},
    "contexts": {"cluster", "user", "namespace"},
    "users": {"client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile",
              "username", "password", "as", "as-uid"},
}  # fmt: skip
BOOLEANS = {"insecure-skip-tls-verify", "disable-compression", "colors"}


def set_value(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) != 2:
        raise unexpected(session, arguments)
    name, text = arguments
    section, entry, field = _parts(name)
    value = _value(field or name, text, raw=flags["set-raw-bytes"])
    if section in FIELDS:
        config_files.change_entry(session, section, entry, lambda body: body.__setitem__(field, value))
    else:
        path = config_files.file_of(session)
        config = config_files.read(path)
        _holder(config, name)[name.rpartition(".")[2]] = value
        config_files.write(path, config)
    print(f'Property "{name}" set.')
    return 0


def unset_value(session: Session, flags: Values, arguments: list[str]) -> int:
    if len(arguments) != 1:
        raise unexpected(session, arguments)
    name = arguments[0]
    section, entry, field = _parts(name, whole_entries=True)
    path = config_files.file_of(session, section if entry else "", entry)
    config = config_files.read(path)
    if section not in FIELDS:
        _holder(config, name).pop(name.rpartition(".")[2], None)
    elif not entry:
        config[section] = []
    elif not field:
        config[section] = [one for one in config.get(section) or () if one["name"] != entry]
    else:
        _unset_field(config, section, entry, field)
    config_files.write(path, config)
    print(f'Property "{name}" unset.')
    return 0


def _unset_field(config: Object, section: str, entry: str, field: str) -> None:
    found = [one for one in config.get(section) or () if one["name"] == entry]
    if not found:
        raise CliError(f"current map key `{entry}` is invalid")
    (found[0].get(config_files.INNER[section]) or {}).pop(field, None)


def _parts(name: str, *, whole_entries: bool = False) -> tuple[str, str, str]:
    """(section, entry, field); names of entries may hold dots, as those of fields do not."""
    section, _, rest = name.partition(".")
    if section not in FIELDS:
        if name in ("current-context", "preferences.colors"):
            return section, "", ""
        raise CliError(f"unable to parse {name} after [] at api.Config")
    entry, dot, field = rest.rpartition(".")
    if dot and field in FIELDS[section]:
        return section, entry, field
    if whole_entries:
        return section, rest, ""
    raise CliError(f"{name} names no value of the kubeconfig that can be set")


def _holder(config: Object, name: str) -> Object:
    if "." not in name:
        return config
    holder: Object = config.setdefault("preferences", {})
    return holder


def _value(field: str, text: str, *, raw: bool) -> Any:
    field = field.rpartition(".")[2]
    if field in BOOLEANS:
        if text.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise CliError(f'strconv.ParseBool: parsing "{text}": invalid syntax')
        return text.lower() in ("true", "1", "t")
    if field.endswith("-data"):
        if raw:
            return base64.b64encode(text.encode()).decode()
        try:
            base64.b64decode(text, validate=True)
        except binascii.Error as error:
            at = re.match("[A-Za-z0-9+/]*", text)
            end = at.end() if at else 0
            shown = end - end % 4 if end == len(text) else end
            raise CliError(
                f"error decoding input value: illegal base64 data at input byte {shown}"
            ) from error
    return text


COMMANDS = {
    "set": Command(
        set_value, (Flag("set-raw-bytes", kind="bool", help="The value of binary fields is not base64."),),
        "PROPERTY_NAME PROPERTY_VALUE", "Set an individual value in a kubeconfig file.",
    ),
    "unset": Command(unset_value, (), "PROPERTY_NAME", "Unset an individual value in a kubeconfig file."),
}  # fmt: skip
