"""The only place where parts meet: assembly of a cluster, certificates, supervised programs, up and down."""
