"""Documents whose aliases unfold into far more than was written (a "billion laughs") are refused before they are built.

The same measure as go-yaml's, so that the same documents pass: https://github.com/yaml/go-yaml/blob/v3/decode.go
"""

import yaml

_SMALL, _LARGE = 400_000, 4_000_000  # steps between which the allowed share falls
_SHARE_OF_SMALL, _SHARE_OF_LARGE = 0.99, 0.10


class ExcessiveAliasing(yaml.YAMLError):
    def __init__(self) -> None:
        super().__init__("document contains excessive aliasing")


def check(root: yaml.Node | None) -> None:
    """Walks as a decoder does, into each alias anew; raises ExcessiveAliasing as soon as aliases outweigh the rest."""
    seen: set[int] = set()
    steps = inside = 0
    stack = [(root, False)] if root is not None else []
    while stack:
        node, is_alias = stack.pop()
        steps += 1
        if not is_alias and not isinstance(node, yaml.ScalarNode):
            if id(node) in seen:
                is_alias = True
            seen.add(id(node))
        inside += is_alias
        if inside > 100 and steps > 1000 and inside / steps > _allowed(steps):
            raise ExcessiveAliasing
        if isinstance(node, yaml.SequenceNode):
            stack += [(item, is_alias) for item in reversed(node.value)]
        elif isinstance(node, yaml.MappingNode):
            stack += [(item, is_alias) for pair in reversed(node.value) for item in reversed(pair)]


def _allowed(steps: int) -> float:
    if steps <= _SMALL:
        return _SHARE_OF_SMALL
    if steps >= _LARGE:
        return _SHARE_OF_LARGE
    fallen = (_SHARE_OF_SMALL - _SHARE_OF_LARGE) * (steps - _SMALL) / (_LARGE - _SMALL)
    return _SHARE_OF_SMALL - fallen
