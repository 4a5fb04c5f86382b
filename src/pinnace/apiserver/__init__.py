"""The only entrance to the cluster: authentication, authorization, admission, validation, registry, storage, watch."""
