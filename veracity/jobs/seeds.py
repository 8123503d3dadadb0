"""Random numbers derived by name.

Every random decision asks for a generator by what it is for, so that adding a song, an excerpt or a stage changes no
other result: ``rng_for(0, "lime", "05-dance", "412")``.
"""

import hashlib

import numpy as np


def seed_for(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed for one purpose.

    Parameters
    ----------
    seed : int
        The seed of the run.
    *names : str or int
        What the random numbers are for, from the general to the particular.

    Returns
    -------
    int
        Equal for equal arguments on every machine; non-negative and below 2**63, as torch wants it.
    """
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng_for(seed: int, *names: str | int) -> np.random.Generator:
    """Return a NumPy generator for one purpose; see `seed_for`."""
    return np.random.default_rng(seed_for(seed, *names))
