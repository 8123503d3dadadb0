"""Settings of attacks; the module requires neither torch nor NumPy."""

from typing import Annotated, Literal

from ..settings import between, settings

Domain = Literal["waveform", "spectrogram"]
DOMAINS: tuple[Domain, Domain] = ("waveform", "spectrogram")
UpdateRule = Literal["adam", "sign"]
Precision = Literal["float32", "tf32", "bfloat16"]
Step = Annotated[float, between(1e-12, 1e6)]
Weight = Annotated[float, between(1e-12, 1e12)]
# Sizes of chunks. A chunk on a CPU thread should fit in the cache: chunks of 1024 frames took a quarter less time than those of
# 4096. A chunk on a GPU should be large enough to use all of its units.
CPU_CHUNK_FRAMES, GPU_CHUNK_FRAMES = 1024, 4096
CPU_EXCERPTS = 8  # excerpts per chunk in scope excerpt; a GPU processes all at once


def n_cpu_chunks(n_frames: int) -> int:
    """Return the number of chunks of about `CPU_CHUNK_FRAMES` frames: 1, 2, 4 or a multiple of 8, to balance threads."""
    n = n_frames / CPU_CHUNK_FRAMES
    return next((few for few in (1, 2, 4) if n <= 1.5 * few), 8 * max(1, round(n / 8)))


@settings("attack")
class AttackSettings:
    """Settings of an attack; see `PAPER` for the published ones.

    Attributes
    ----------
    eps : float
        Largest change of a sample (waveform attack; full scale is 1) or of a linear magnitude (spectrogram attack).
    eta : float
        Step size of an update in the unit of `eps`.
    alpha : float
        Weight of the detector's loss relative to the squared norm of the perturbation.
    max_updates : int
        Largest number of updates; the attack stops earlier if all decisions are flipped.
    update_rule : {"adam", "sign"}
        ``adam``: Adam with learning rate `eta` on the sign of the gradient, as in the published implementation. ``sign``:
        equation 2 of the paper.
    precision : {"float32", "tf32", "bfloat16"}
        Precision of the detector during the updates. On a CPU, ``tf32`` is the same as float32. A CPU without bfloat16 uses
        float32, with a warning. Flips and results are always computed in float32.
    """

    eps: Step
    eta: Step
    alpha: Weight
    max_updates: Annotated[int, between(0, 10**7)] = 1000  # 0 updates give the predictions for the clean song
    update_rule: UpdateRule = "adam"
    precision: Precision = "float32"


PAPER: dict[Domain, AttackSettings] = {
    "waveform": AttackSettings(eps=0.01, eta=0.0003, alpha=2.0),
    "spectrogram": AttackSettings(eps=0.1, eta=0.0005, alpha=15.0),
}
