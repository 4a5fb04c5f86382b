"""CertificateSigningRequests: node certificates are approved, approved requests are signed with the cluster's CA, old ones go."""
