"""The model at work: loading a version, predicting, and which version is served.

Invariant: needs onnxruntime, tokenizers and numpy only; whatever trains or exports lives elsewhere.
"""
