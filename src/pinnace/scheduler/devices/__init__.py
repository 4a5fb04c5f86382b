"""Devices for pods (dynamic resource allocation): which there are, which fit a claim, and which are taken.

`pools` reads ResourceSlices, `matching` asks selectors, `requests` reads what a claim asks for, `allocator` searches,
`allocations` writes the result, and `inventory` keeps what the API says together with what is being written.
"""
