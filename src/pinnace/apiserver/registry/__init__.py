"""What happens to an object between a decoded request and the storage: the generic registry and each resource that differs."""
