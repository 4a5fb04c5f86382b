"""Who a write is recorded under in managedFields."""


def manager_of(field_manager: str, user_agent: str) -> str:
    """`?fieldManager=`, else the program's name in the User-Agent: `kubectl/v1.32 (linux/amd64)` -> `kubectl`."""
    return (field_manager or user_agent.partition("/")[0] or "unknown")[:128]
