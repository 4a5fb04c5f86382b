"""Objects on top of the store: keys, encoding, the watch cache, lists and watches over it. Knows kinds only as data.

Entry points: `storages.Storages` (all resources over one backend) and `object_storage.ObjectStorage` (one resource).
The store's errors become API errors here and nowhere else.
"""
