"""The names of `--authorization-mode`; apart from the authorizers, since the command line checks them too."""

MODES = ("AlwaysAllow", "AlwaysDeny", "Webhook", "Node", "RBAC")


def check_modes(modes: tuple[str, ...]) -> None:
    """Raises ValueError in upstream's words."""
    if not any(modes):
        raise ValueError("at least one authorization-mode must be passed")
    for mode in modes:
        if mode == "ABAC":
            raise ValueError("authorization-mode ABAC is not supported: write the policy as RBAC roles")
        if mode not in MODES:
            raise ValueError(f'authorization-mode "{mode}" is not a valid mode')
        if modes.count(mode) > 1:
            raise ValueError(f'authorization-mode "{mode}" appears more than once')
