"""What can go wrong with a model on purpose. Every text says what was seen, where, and what to do."""

from __future__ import annotations


class ModelLoadError(Exception):
    """A model's folder cannot be served."""


class VersionError(Exception):
    """A version that was asked for is not there, or cannot be what it is asked to be."""
