"""The series that the API exposes."""

from __future__ import annotations

#: name without _total, type, labels
SERIES = {
    "ml_predictions": ("counter", {"version", "result", "confidence_level"}),
    "ml_confidence_distribution": ("histogram", {"version"}),
    "ml_processing_duration_seconds": ("histogram", {"version"}),
    "ml_prediction_errors": ("counter", {"version", "error_type"}),
    "ml_golden_probes": ("counter", {"outcome"}),
    "ml_queue_duration_seconds": ("histogram", set()),
    "http_request_duration_seconds": ("histogram", {"method", "handler", "status"}),
    "http_requests_in_progress": ("gauge", set()),
    "app_memory_usage_bytes": ("gauge", set()),
    "app_memory_limit_bytes": ("gauge", set()),
    "ml_model_status": ("gauge", set()),
    "ml_model_info": ("gauge", {"model", "version", "framework", "quantization", "git_sha"}),
    "ml_model_loaded_timestamp_seconds": ("gauge", {"version"}),
    "ml_confidence_baseline_cdf": ("gauge", {"upper", "version"}),
    "ml_input_tokens": ("histogram", set()),
    "ml_input_truncated": ("counter", set()),
    "ml_predictions_by_language": ("counter", {"language", "result"}),
    "ml_retraining_runs": ("counter", {"trigger", "status"}),
    "ml_retraining_last_start_timestamp_seconds": ("gauge", {"model", "trigger"}),
    "app_build_info": ("gauge", {"version", "git_sha"}),
}
