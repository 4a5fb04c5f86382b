"""Who owns which field: field sets, managedFields bookkeeping, and server-side apply.

Pure: objects and a time in, objects out. Semantics after https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""
