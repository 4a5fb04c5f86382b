"""Kubernetes without kinds: errors, selectors, quantities, times, schema, patches, apply. Pure: no I/O, no clock."""
