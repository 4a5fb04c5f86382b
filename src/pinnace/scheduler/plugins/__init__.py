"""The scheduling plugins, one file each. Pure: no I/O, no clock, no randomness."""
