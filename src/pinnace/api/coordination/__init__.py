"""Kinds of the coordination group."""
