"""Random generators derived from a seed and a purpose.

Each random decision has its own generator, such as ``rng_for(0, "lime", "05-dance", "412")``. Adding a song, an excerpt or a
stage therefore does not change any other result.
"""

import hashlib

import numpy as np


def seed_for(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed for one purpose.

    Parameters
    ----------
    seed : int
        Seed of the run.
    *names : str or int
        Purpose of the random numbers, from general to specific.

    Returns
    -------
    int
        Seed from 0 to 2**63 - 1, as torch requires; equal for equal arguments on every machine.
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_for(seed: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator for one purpose; see `seed_for`."""
    return np.random.default_rng(seed_for(seed, *names))
