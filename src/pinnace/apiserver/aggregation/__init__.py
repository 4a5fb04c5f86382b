"""API aggregation: APIServices, and the requests, discovery and OpenAPI documents of the servers that they name."""
