"""Custom resources: from CustomResourceDefinitions to rows, registries and documents of a running server."""
