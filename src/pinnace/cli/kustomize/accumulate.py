"""The order of events of one kustomization: resources, generators, components, transformers; bases the same before it."""

from typing import Any

from pinnace.cli.kustomize import documents, generators, kustomization_file, transformers
from pinnace.cli.kustomize.errors import BuildError, MalformedYaml, Undecorated, wording
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource import Resource
from pinnace.cli.kustomize.resource_set import ResourceSet

Object = dict[str, Any]


def accumulate(folder: Folder, content: Object, into: ResourceSet) -> None:
    with wording("accumulating resources"):
        for path in content.get("resources") or ():
            _resource(folder, path, into)
    for made in generators.generate(folder, content):
        with wording("merging from generator &{0x0 <nil>}"):
            into.absorb(made)
    with wording("accumulating components"):
        for path in content.get("components") or ():
            _component(folder, path, into)
    transformers.transform(folder, content, into)


def _resource(folder: Folder, path: str, into: ResourceSet) -> None:
    """As a file, and when it is none as the directory of another kustomization."""
    try:
        _file(folder, path, into)
    except (MalformedYaml, Undecorated):
        raise
    except BuildError as no_file:
        with wording(f"accumulation err='{no_file}'"):
            _directory(folder, path, into)


def _file(folder: Folder, path: str, into: ResourceSet) -> None:
    with wording(f"accumulating resources from '{path}'"):
        objects = documents.objects(folder.read(path), path)
    with wording(f"merging resources from '{path}'"):
        into.append_all([Resource(obj) for obj in objects])


def _directory(folder: Folder, path: str, into: ResourceSet) -> None:
    inner = folder.enter(path)
    content = _loaded(inner)
    if content["kind"] == "Component":
        raise BuildError(f"expected kind != 'Component' for path '{inner.root}'")
    found = ResourceSet()
    with wording(f"recursed accumulation of path '{inner.root}'"):
        accumulate(inner, content, found)
    with wording(f"recursed merging from path '{inner.root}'"):
        into.append_all(found.items)


def _component(folder: Folder, path: str, into: ResourceSet) -> None:
    """A component changes what is there already, instead of a set of its own."""
    with wording("loader.New", quoted=True):
        inner = folder.enter(path)
    with wording("accumulateDirectory:", quoted=True):
        content = _loaded(inner)
        if content["kind"] != "Component":
            raise BuildError(f"expected kind 'Component' for path '{inner.root}' but got '{content['kind']}'")
        with wording(f"recursed accumulation of path '{inner.root}'"):
            accumulate(inner, content, into)


def _loaded(folder: Folder) -> Object:
    with wording(f"couldn't make target for path '{folder.root}'"):
        return kustomization_file.load(folder)
