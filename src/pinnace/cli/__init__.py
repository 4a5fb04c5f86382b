"""The command line. Imports as little as a command needs: it must start fast."""
