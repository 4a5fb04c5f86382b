"""The scheduler: watches pods without a node, filters and scores nodes, binds through the API, explains refusals."""
