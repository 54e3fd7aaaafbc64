"""How a model comes to be: the corpus, the fit, the judgement, and the record of every run.

Invariant: the only part that needs scikit-learn, and only while it trains.
"""
