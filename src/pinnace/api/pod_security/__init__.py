"""The Pod Security Standards: three levels, versioned checks, policies as labels of namespaces. Pure.

Facts: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and
https://github.com/kubernetes/pod-security-admission/tree/master/policy (as of v1.36)
"""
