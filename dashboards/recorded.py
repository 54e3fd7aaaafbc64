"""The series that the rules in rules/ record and the dashboards read: where asking the raw metrics would be dear."""

#: by version: each has a baseline of its own
DRIFT = "namespace_job_version:ml_confidence_distribution:psi_rate1h"
MEAN_CONFIDENCE = "namespace_job:ml_confidence_distribution:mean_rate15m"
LOW_CONFIDENCE_SHARE = "namespace_job:ml_confidence_distribution_low:ratio_rate30m"
#: share of the inferences of 30 days that took more than 100 ms; the budget for those is 5 %
SLOW_SHARE = "namespace_job:ml_slo_latency_bad:avg30d_ratio_rate5m"
ERROR_RATIO = "namespace_job:ml_prediction_errors:ratio_rate5m"
