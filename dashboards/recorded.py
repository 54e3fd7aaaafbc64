"""The series that rules/recording.yml keeps and the dashboards read: where asking the raw metrics would be dear."""

DRIFT = "namespace_job:ml_confidence_distribution:psi_rate1h"
MEAN_CONFIDENCE = "namespace_job:ml_confidence_distribution:mean_rate15m"
LOW_CONFIDENCE_SHARE = "namespace_job:ml_confidence_distribution_low:ratio_rate30m"
ERROR_RATIO = "namespace_job:ml_prediction_errors:ratio_rate5m"
