"""How parts talk to the API: the `Client` interface, its HTTPS implementation, informers, work queues, events, kubeconfig."""
