"""The HTTP half of the API: requests in, a bounded queue, one inference slot, answers and metrics out."""

__version__ = "0.1.0"
