"""`kubernetes.e2e_test` is left out of the official client's sdist, though its tests import it: this takes its place."""
