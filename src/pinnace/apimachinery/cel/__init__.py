"""CEL, the expression language of policies, match conditions and rules of custom resources, with Kubernetes' libraries.

    env = Environment({"self": type_of_structural(schema, is_root=True)})
    program = env.compile("self.spec.replicas <= 5", result=BOOL)      # CompileError
    program.estimated_cost.max                                         # upstream's estimate of the worst case
    program.evaluate({"self": obj}, Budget(10_000_000))                # EvaluationError, BudgetExceeded

Parser, checker, cost estimate and evaluator are ours: no Python package checks statically against Kubernetes' declarations
and counts upstream's costs. Objects stay the dicts that they are; schemas tell which strings are times. Import it lazily.
"""

from pinnace.apimachinery.cel.conversion import to_json
from pinnace.apimachinery.cel.environment import Budget, Environment, Program
from pinnace.apimachinery.cel.errors import (
    BudgetExceeded,
    CompileError,
    EvaluationError,
    Issue,
    ResultTypeError,
)
from pinnace.apimachinery.cel.escaping import escape, unescape
from pinnace.apimachinery.cel.estimate import Estimate
from pinnace.apimachinery.cel.library.authorization import Authorizer, Decision, Question
from pinnace.apimachinery.cel.planner import LazyObject
from pinnace.apimachinery.cel.schema_types import type_of_schema, type_of_structural
from pinnace.apimachinery.cel.types import (
    BOOL,
    BYTES,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    NULL,
    STRING,
    TIMESTAMP,
    UINT,
    Field,
    Type,
    list_of,
    map_of,
    object_type,
    optional_of,
)
from pinnace.apimachinery.cel.values import NONE, Duration, Optional, Struct, Timestamp, UInt

# Upstream's limits (k8s.io/apiserver/pkg/apis/cel/config.go, apiextensions validation).
PER_CALL_LIMIT = 1_000_000
RUNTIME_COST_BUDGET = 10_000_000
MATCH_CONDITIONS_COST_BUDGET = 2_500_000
RULE_COST_LIMIT = 10_000_000
CRD_COST_LIMIT = 100_000_000

__all__ = [
    "BOOL", "BYTES", "CRD_COST_LIMIT", "DOUBLE", "DURATION", "DYN", "INT", "MATCH_CONDITIONS_COST_BUDGET", "NONE", "NULL",
    "PER_CALL_LIMIT", "RULE_COST_LIMIT", "RUNTIME_COST_BUDGET", "STRING", "TIMESTAMP", "UINT", "Authorizer", "Budget",
    "BudgetExceeded", "CompileError", "Decision", "Duration", "Environment", "Estimate", "EvaluationError", "Field", "Issue",
    "LazyObject", "Optional", "Program", "Question", "ResultTypeError", "Struct", "Timestamp", "Type", "UInt", "escape",
    "list_of", "map_of", "object_type", "optional_of", "to_json", "type_of_schema", "type_of_structural", "unescape",
]  # fmt: skip
