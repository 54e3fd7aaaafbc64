"""An instrumented BERT toxicity API: the system that the bridge watches. It never imports the bridge."""
