"""Garbage collector: deletes what has lost its last owner, in the background, in the foreground, or by setting it free.

`graph` knows who owns whom (pure); `decisions` says what is to be done with one object (pure); `collector` watches and acts.
"""
