"""Which network, and how it is trained; needs neither torch nor NumPy."""

from dataclasses import dataclass
from typing import Literal

from ..errors import ConfigError


@dataclass(frozen=True)
class Architecture:
    """Which of the published networks.

    Attributes
    ----------
    layers : {"ismir2015", "ismir2016"}
        The paper's published checkpoint has the layers of 2015 with batch norm and a zero-mean first convolution.
        In the variant of 2016 a 3 x 18 convolution and a pool along frequency replace the second pool.
    zero_mean : bool
        Whether each kernel of the first convolution has its own mean subtracted (the layer then has no bias).
    """

    layers: Literal["ismir2015", "ismir2016"] = "ismir2015"
    zero_mean: bool = True

    def __post_init__(self) -> None:
        if self.layers not in ("ismir2015", "ismir2016"):
            raise ConfigError(f"unknown architecture {self.layers!r}: choose ismir2015 or ismir2016")


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of the training; the defaults are the paper's.

    Attributes
    ----------
    n_updates, batch : int
    learning_rate, decay : float
        Adam's, multiplied by `decay` every `decay_every` updates.
    decay_every : int
    targets : tuple of float
        Smoothed labels of "no sing" and "sing".
    stretch, shift : float
        Time stretch and pitch shift are uniform in 1 +- these.
    filter_db : float
        Gain of the random filter, uniform within +- this, dB. Its centre is log-uniform between `filter_min_hz` and
        `filter_max_hz`, its width uniform between `filter_min_semitones` and `filter_max_semitones`.
    standardisation : {"exact", "running"}
        Statistics of the log-mel bands: exact ones of the training set (the paper), or batch-norm running statistics of
        the augmented batches (its published implementation).
    precision : {"float32", "bfloat16"}
        Of the detector's convolutions; weights, statistics, loss and optimiser are float32 in any case.
    """

    n_updates: int = 40000
    batch: int = 32
    learning_rate: float = 1e-3
    decay: float = 0.85
    decay_every: int = 2000
    targets: tuple[float, float] = (0.02, 0.98)
    stretch: float = 0.3
    shift: float = 0.3
    filter_db: float = 10.0
    filter_min_hz: float = 150.0
    filter_max_hz: float = 8000.0
    filter_min_semitones: float = 5.0
    filter_max_semitones: float = 7.0
    standardisation: Literal["exact", "running"] = "exact"
    precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", tuple(self.targets))
        if self.standardisation not in ("exact", "running"):
            raise ConfigError(f"unknown standardisation {self.standardisation!r}: choose exact or running")
        if self.precision not in ("float32", "bfloat16"):
            raise ConfigError(f"unknown precision {self.precision!r}: choose float32 or bfloat16")
