"""Volumes of pods, one file for each kind: emptyDir, hostPath, claims, and files made from API objects.

Owns `pods/UID/volumes`; mounts tmpfs where a volume must not touch the disk.
"""
