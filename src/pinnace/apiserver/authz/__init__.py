"""May this user do that: attributes of a request, RBAC over the stored roles and bindings, the bootstrap policy."""
