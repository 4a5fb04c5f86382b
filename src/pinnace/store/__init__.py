"""Keys and revisions in etcd's model, never kinds. Only the API server may import this package."""
