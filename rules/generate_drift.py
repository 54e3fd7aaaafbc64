"""Write rules/drift.yml: how far the confidence of predictions has moved from what the model showed in training.

The score is the population stability index, the sum of (now - then) * ln(now / then) over the bins of the confidence
histogram. PromQL cannot subtract a bucket from its neighbour by itself, so each bin has two rules of its own.

    python rules/generate_drift.py             write the file
    python rules/generate_drift.py --check     exit 1 when the file is not what would be written
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

TARGET = Path(__file__).parent / "drift.yml"
# Bounds of ml_confidence_distribution as prometheus_client writes them. Confidence is 0.5 or more, so the bound 0.5
# would make a bin that holds nothing: what is at it belongs to the first bin.
BOUNDS = ("0.55", "0.6", "0.65", "0.7", "0.75", "0.8", "0.85", "0.9", "0.95", "0.99", "1.0")
NOW = "namespace_job_version_le:ml_confidence_distribution_bucket:share_rate1h"
THEN = "ml_confidence_baseline_cdf"
JOB = ', job="toxicity-api"'
SHARE_NOW = "namespace_job_version_bin:ml_confidence_distribution:share_rate1h"
SHARE_THEN = "namespace_job_version_bin:ml_confidence_baseline:share"

HEAD = """\
# Written by rules/generate_drift.py; change that file instead.
# Sums over the pods first, then compares: a score of one pod sees a part of the traffic and cannot be averaged.
# By version, for each has a baseline of its own; while two are served, each is compared with what it was trained on.
groups:
  - name: drift
    rules:
      - record: namespace_job_version:ml_confidence_distribution_count:increase1h
        expr: sum by (namespace, job, version) (increase(ml_confidence_distribution_count{job="toxicity-api"}[1h]))

      - record: namespace_job_version_le:ml_confidence_distribution_bucket:share_rate1h
        expr: >-
          sum by (namespace, job, version, le) (increase(ml_confidence_distribution_bucket{job="toxicity-api"}[1h]))
          / on (namespace, job, version) group_left ()
          (namespace_job_version:ml_confidence_distribution_count:increase1h > 0)
"""

TAIL = """
      # An empty bin would make the logarithm infinite: 1 in 10,000 stands for it.
      - record: namespace_job_version:ml_confidence_distribution:psi_rate1h
        expr: >-
          sum by (namespace, job, version) (
            (clamp_min(namespace_job_version_bin:ml_confidence_distribution:share_rate1h, 1e-4)
              - clamp_min(namespace_job_version_bin:ml_confidence_baseline:share, 1e-4))
            * ln(clamp_min(namespace_job_version_bin:ml_confidence_distribution:share_rate1h, 1e-4)
              / clamp_min(namespace_job_version_bin:ml_confidence_baseline:share, 1e-4))
          )
"""


def cumulative(metric: str, label: str, bound: str) -> str:
    """The share at or below a bound. Every pod exposes the same baseline; what is recorded is there once."""
    selector = f'{metric}{{{label}="{bound}"{JOB if metric == THEN else ""}}}'
    return f"max by (namespace, job, version) ({selector})" if metric == THEN else selector


def rule(record: str, bound: str, expression: str) -> str:
    return f"""
      - record: {record}
        expr: >-
          {expression}
        labels:
          bin: "{bound}"
"""


def bins(record: str, metric: str, label: str) -> str:
    """One rule a bin, named after its upper bound."""
    lowest = cumulative(metric, label, BOUNDS[0])
    rules = [rule(record, BOUNDS[0], lowest if metric == THEN else f"max without ({label}) ({lowest})")]
    minus = "-" if metric == THEN else f"- ignoring ({label})"
    for lower, upper in pairwise(BOUNDS):
        difference = f"{cumulative(metric, label, upper)}\n          {minus} {cumulative(metric, label, lower)}"
        rules.append(rule(record, upper, difference))
    return "".join(rules)


def document() -> str:
    """The whole text of rules/drift.yml."""
    return HEAD + bins(SHARE_NOW, NOW, "le") + bins(SHARE_THEN, THEN, "upper") + TAIL


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        if TARGET.read_text(encoding="utf-8") == document():
            return 0
        print(f"{TARGET} is not what its generator writes. Run: python rules/generate_drift.py", file=sys.stderr)
        return 1
    TARGET.write_text(document(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
