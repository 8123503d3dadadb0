"""What is attacked and how hard; needs neither torch nor NumPy."""

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError

Domain = Literal["waveform", "spectrogram"]
DOMAINS: tuple[Domain, Domain] = ("waveform", "spectrogram")


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
        Of the detector's arithmetic during the updates; ``tf32`` is float32 but on a GPU. Whether everything has flipped,
        and what is kept at the end, is computed in float32 in any case.
    """

    eps: float
    eta: float
    alpha: float
    max_updates: int = 1000
    update_rule: Literal["adam", "sign"] = "adam"
    precision: Literal["float32", "tf32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        if self.update_rule not in ("adam", "sign"):
            raise ConfigError(f"unknown update rule {self.update_rule!r}: choose adam or sign")
        if self.precision not in ("float32", "tf32", "bfloat16"):
            raise ConfigError(f"unknown precision {self.precision!r}: choose float32, tf32 or bfloat16")


PAPER: dict[Domain, AttackSettings] = {
    "waveform": AttackSettings(eps=0.01, eta=0.0003, alpha=2.0),
    "spectrogram": AttackSettings(eps=0.1, eta=0.0005, alpha=15.0),
}
