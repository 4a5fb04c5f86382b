"""The cluster's name server: Service, headless, SRV, PTR and ExternalName records, and forwarding."""
