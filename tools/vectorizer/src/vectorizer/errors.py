"""What can go wrong, by what is to be done about it."""


class VectorizerError(Exception):
    """Something the user has to change; the message says what."""


class Unavailable(Exception):
    """The model cannot be reached or used now: down, overloaded, over a limit,
    a key refused.  No text is to blame, so the worker puts the batch back and
    waits.  retry_after: seconds the model asked for, or None."""

    def __init__(self, message, retry_after=None):
        super().__init__(message)
        self.retry_after = retry_after


class Rejected(Exception):
    """The model refuses this input for good: it is set aside at once.  Raised
    for a batch, it says that at least one input of it is refused."""


class BadAnswer(Exception):
    """The model answered something that is no embedding of what it was given:
    a wrong number of vectors or of dimensions, or values that are not finite."""
