"""The manifests for Kubernetes, and what writes those of their files that come from elsewhere in the repository."""
