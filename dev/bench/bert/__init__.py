"""How fast one replica of the toxicity API is, beside its own model asked in a plain loop."""

from dev.bench.bert.measuring import measure

__all__ = ["measure"]
