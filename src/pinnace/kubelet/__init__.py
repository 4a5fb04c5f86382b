"""The node agent: turns the pods bound to its node into containers through CRI, and reports what it sees."""
