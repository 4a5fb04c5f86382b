"""describe role, cluster role and their bindings."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from pinnace.cli.describe.writer import Writer
from pinnace.cli.session import Session

Object = dict[str, Any]


class Rule(NamedTuple):
    """One row of the table; its order is that of kubectl, which sorts rules by how Go writes them."""

    verbs: tuple[str, ...]
    group: str = ""
    resource: str = ""
    name: str = ""
    url: str = ""

    @property
    def cells(self) -> tuple[str, str, str, str]:
        resource, slash, subresource = self.resource.partition("/")
        shown = (f"{resource}.{self.group}" if self.group else resource) + slash + subresource
        return shown, f"[{self.url}]", f"[{self.name}]", f"[{' '.join(self.verbs)}]"

    @property
    def rank(self) -> str:
        verbs, one = " ".join(self.verbs), [self.group, self.resource, self.name, self.url]
        return f"Verbs:[{verbs}],APIGroups:[{one[0]}],Resources:[{one[1]}],ResourceNames:[{one[2]}],NonResourceURLs:[{one[3]}],"


def describe_role(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line("PolicyRule:")
    writer.line("Resources\tNon-Resource URLs\tResource Names\tVerbs", 1)
    writer.line("---------\t-----------------\t--------------\t-----", 1)
    for cells in rows_of(obj.get("rules") or []):
        writer.line("\t".join(cells), 1)


def rows_of(rules: list[Object]) -> list[tuple[str, str, str, str]]:
    return [rule.cells for rule in sorted(_rules(rules), key=lambda rule: rule.rank)]


def describe_binding(session: Session, obj: Object, writer: Writer, *, show_events: bool = True) -> None:
    _head(obj, writer)
    writer.line("Role:")
    writer.line(f"Kind:\t{obj['roleRef']['kind']}", 1)
    writer.line(f"Name:\t{obj['roleRef']['name']}", 1)
    writer.line("Subjects:")
    writer.line("Kind\tName\tNamespace", 1)
    writer.line("----\t----\t---------", 1)
    for subject in obj.get("subjects") or ():
        writer.line(f"{subject['kind']}\t{subject['name']}\t{subject.get('namespace', '')}", 1)


def _head(obj: Object, writer: Writer) -> None:
    writer.line(f"Name:\t{obj['metadata']['name']}")
    writer.labels("Labels", obj["metadata"].get("labels"))
    writer.annotations("Annotations", obj["metadata"].get("annotations"))


def _rules(rules: list[Object]) -> Iterator[Rule]:
    """Rules taken apart, the verbs for one resource (and name) together again."""
    verbs: dict[tuple[str, str, str], list[str]] = {}
    for rule in rules:
        yield from (
            Rule((verb,), url=url) for url in rule.get("nonResourceURLs") or () for verb in rule["verbs"]
        )
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or ("",):
                    known = verbs.setdefault((group, resource, name), [])
                    known += [verb for verb in rule["verbs"] if verb not in known]
    yield from (Rule(tuple(found), *key) for key, found in verbs.items())
