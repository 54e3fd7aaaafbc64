"""An instrumented toxicity API with a real model life: the target that the bridge watches.

Invariant: never imports `bridge`; the two meet only through Prometheus and HTTP.
"""
