"""What the stack cannot do, said so that the reader knows what to do next."""


class StackError(Exception):
    """Its text is shown to the person as it is: what was seen, where, and what to do."""
