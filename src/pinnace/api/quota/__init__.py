"""Quota: what objects use of what a ResourceQuota limits. Pure; the admission plugin and the controller count alike.

Facts: https://github.com/kubernetes/kubernetes/tree/master/pkg/quota/v1/evaluator/core and
https://github.com/kubernetes/apiserver/tree/master/pkg/quota/v1
"""
