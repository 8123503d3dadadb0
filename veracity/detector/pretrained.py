"""Detector that is part of the package; ``pretrained.md`` is its model card."""

import os
from pathlib import Path

from ..errors import CheckpointError
from ..jobs.provenance import file_digest

PRETRAINED = "pretrained"  # name of this detector, given in place of a checkpoint path
WEIGHTS = Path(__file__).with_name("pretrained.pt")
DIGEST = "d9b5f20e3eac41d6"


def checkpoint_path(checkpoint: str | os.PathLike) -> Path:
    """Return the path of a checkpoint, which may be given by the name "pretrained".

    Parameters
    ----------
    checkpoint : path-like
        Path to a checkpoint, or "pretrained" for the detector that is part of the package.

    Returns
    -------
    Path
        Path to the file.

    Raises
    ------
    CheckpointError
        If the weights of the package are missing, or are not those that were published with it.
    """
    if os.fspath(checkpoint) != PRETRAINED:
        return Path(checkpoint)
    if not WEIGHTS.is_file() or (digest := file_digest(WEIGHTS)) != DIGEST:
        got = digest if WEIGHTS.is_file() else "no file"
        raise CheckpointError(f"{WEIGHTS}: must have the digest {DIGEST}, got {got}. Install veracity again.")
    return WEIGHTS
