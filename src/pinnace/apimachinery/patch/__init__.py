"""The three kinds of patches: JSON patch, merge patch, strategic merge patch.

Pure: each takes a document and a patch and returns a new document that shares nothing with either. Wrong patches raise
the error that upstream answers with.
"""
