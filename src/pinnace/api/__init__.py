"""The kinds: one row per resource, defaults, validation, predicates, printer columns. Pure: no I/O, no clock."""
