"""What is attacked and how hard; needs neither torch nor NumPy."""

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import one_of, within

Domain = Literal["waveform", "spectrogram"]
DOMAINS: tuple[Domain, Domain] = ("waveform", "spectrogram")
UpdateRule = Literal["adam", "sign"]
Precision = Literal["float32", "tf32", "bfloat16"]
# How much is computed at a time: on each thread of a CPU what a cache holds (chunks of 1024 frames took a quarter less time
# than those of 4096), on a GPU what keeps it busy.
CPU_CHUNK_FRAMES, GPU_CHUNK_FRAMES = 1024, 4096
CPU_EXCERPTS = 8  # scope excerpt; a GPU sees all of them at once


def n_cpu_chunks(n_frames: int) -> int:
    """Return into how many chunks of about `CPU_CHUNK_FRAMES` a song is cut: 1, 2, 4 or a multiple of 8, to be shared."""
    n = n_frames / CPU_CHUNK_FRAMES
    return next((few for few in (1, 2, 4) if n <= 1.5 * few), 8 * max(1, round(n / 8)))


@dataclass(frozen=True)
class AttackSettings:
    """Settings of an attack; see `PAPER` for the published ones.

    Attributes
    ----------
    eps : float
        Largest change of a sample, or of a magnitude.
    eta : float
        Step size of an update, in the same unit.
    alpha : float
        Weight of the detector's loss against the squared norm of the perturbation.
    max_updates : int
        The attack stops earlier when every frame has flipped.
    update_rule : {"adam", "sign"}
        ``adam``: Adam with learning rate `eta` fed with the sign of the gradient, as the published implementation does.
        ``sign``: the paper's equation 2.
    precision : {"float32", "tf32", "bfloat16"}
        Of the detector's arithmetic during the updates; ``tf32`` is float32 but on a GPU, ``bfloat16`` is on a CPU that
        does not compute it, with a warning. Whether everything has flipped, and what is kept at the end, is computed in
        float32 in any case.
    """

    eps: float
    eta: float
    alpha: float
    max_updates: int = 1000
    update_rule: UpdateRule = "adam"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name, most in (("eps", 1e6), ("eta", 1e6), ("alpha", 1e12)):
            within(getattr(self, name), 1e-12, most, f"{name} of an attack")
        within(self.max_updates, 0, 10**7, "max_updates of an attack", whole=True)  # none tell of the clean song
        one_of(self.update_rule, get_args(UpdateRule), "update rule")
        one_of(self.precision, get_args(Precision), "precision")


PAPER: dict[Domain, AttackSettings] = {
    "waveform": AttackSettings(eps=0.01, eta=0.0003, alpha=2.0),
    "spectrogram": AttackSettings(eps=0.1, eta=0.0005, alpha=15.0),
}
