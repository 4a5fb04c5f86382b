"""Kinds of the resource group: devices, and claims for them."""
