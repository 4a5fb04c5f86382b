"""The audit log: which requests are recorded at which level, what a record says, and where it goes. Nothing of it is loaded when off."""
