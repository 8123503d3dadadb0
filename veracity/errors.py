"""Errors that a user can mend.

The message of each is one sentence that names the file or key and the cure; scripts print it without a traceback.
"""


class VeracityError(Exception):
    """Something in the user's hands is wrong; the message says what and how to mend it."""


class ConfigError(VeracityError):
    """A configuration key is unknown, missing or out of its range."""


class CorpusError(VeracityError):
    """Audio, labels or file lists of a corpus cannot be used."""


class CheckpointError(VeracityError):
    """A file does not hold the weights of a detector that we know."""


class ArtefactError(VeracityError):
    """A file written by an earlier stage cannot be read."""


class AuditError(VeracityError):
    """Tabulated values differ from direct evaluation by more than is allowed."""
