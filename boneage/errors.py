"""The one family of errors that a user may see: each message says what was wanted, what came and what to do."""


class BoneageError(ValueError):
    """Base of all errors whose message is written for the user; the command line prints it without a traceback."""
