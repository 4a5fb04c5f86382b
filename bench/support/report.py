"""What a benchmark says: JSON on standard output, a short table on standard error."""

import json
import os
import statistics
import sys


def percentile(values, percent):
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def spread(values):
    """Median, least and greatest."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def report(name, rows, **facts):
    """`rows`: a case and its figures, each a dict of name and number."""
    result = {"bench": name, "load1": os.getloadavg()[0], **facts, "rows": rows}
    print(json.dumps(result))
    width = max(map(len, rows))
    for case, figures in rows.items():
        text = "   ".join(f"{key} {value:g}" for key, value in figures.items())
        print(f"{case:{width}}   {text}", file=sys.stderr)
