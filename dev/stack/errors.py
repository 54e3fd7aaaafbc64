"""Errors of the stack, with what to do next."""


class StackError(Exception):
    """Its text is shown to the user: what was seen, where, and what to do."""
