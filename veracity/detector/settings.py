"""Which network, and how it is trained; needs neither torch nor NumPy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from ..errors import ConfigError, one_of, plain, quoted, within

Layers = Literal["ismir2015", "ismir2016"]
Standardisation = Literal["exact", "running"]
Precision = Literal["float32", "bfloat16"]

# Excerpts of a batch in one shard (`veracity.detector.shards`): what a cache holds. Eight such shards take less time than 32
# excerpts at once, on one thread too.
SHARD_EXCERPTS = 4


class Step(NamedTuple):
    """A step from the excerpt to the first dense layer: a convolution, 'valid' and of stride 1, or a max-pool.

    Attributes
    ----------
    kernel : tuple of int
        Extent in frames and bands. A pool advances by its kernel.
    convolution, norm : str
        What the convolution and its batch norm are called in a checkpoint; empty for a pool.
    """

    kernel: tuple[int, int]
    convolution: str = ""
    norm: str = ""

    @property
    def is_pool(self) -> bool:
        """Whether the step is a max-pool."""
        return not self.convolution


_SHARED = (
    Step((3, 3), "conv1", "bn1"),
    Step((3, 3), "conv2", "bn2"),
    Step((3, 3)),
    Step((3, 3), "conv3", "bn3"),
    Step((3, 3), "conv4", "bn4"),
)
STEPS: dict[Layers, tuple[Step, ...]] = {
    "ismir2015": (*_SHARED, Step((3, 3))),
    "ismir2016": (*_SHARED, Step((3, 18), "conv_16", "bn_16"), Step((1, 4))),
}


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

    layers: Layers = "ismir2015"
    zero_mean: bool = True

    def __post_init__(self) -> None:
        one_of(self.layers, get_args(Layers), "architecture")
        if not isinstance(self.zero_mean, bool):
            raise ConfigError(f"detector.architecture.zero_mean is {quoted(self.zero_mean)}: give true or false")

    @property
    def steps(self) -> tuple[Step, ...]:
        """From the excerpt to the first dense layer."""
        return STEPS[self.layers]

    def dense_kernel(self, excerpt_frames: int, n_mels: int) -> tuple[int, int]:
        """Return what the steps leave of an excerpt, which is what the first dense layer sees.

        Parameters
        ----------
        excerpt_frames, n_mels : int

        Returns
        -------
        tuple of int
            Frames and bands: 11 x 7 of the paper's excerpts, 31 x 1 with the layers of 2016.

        Raises
        ------
        ConfigError
            When nothing is left, or when excerpts of that length have no centre or not the same values one by one as all
            at once (see `checked_frames`).
        """
        times, bands = ([(step.kernel[axis], step.is_pool) for step in self.steps] for axis in (0, 1))
        if (left := left_of(n_mels, bands)[0]) < 1:
            least = next(n for n in range(1, 1000) if left_of(n, bands)[0] > 0)
            raise ConfigError(f"frontend.n_mels {n_mels} is too small for {self.layers}: raise it to {least} or more")
        return checked_frames(excerpt_frames, times, self.layers), left


def left_of(size: int, steps: Sequence[tuple[int, bool]]) -> tuple[int, bool]:
    """Return what convolutions and pools leave along one axis, and whether no pool drops a remainder.

    Parameters
    ----------
    size : int
    steps : sequence of (int, bool)
        Extent of each kernel, and whether it is that of a pool, which advances by its extent.
    """
    whole = True
    for extent, is_pool in steps:
        whole = whole and not (is_pool and size % extent)
        size = size // extent if is_pool else size - extent + 1
    return size, whole


def checked_frames(excerpt_frames: int, steps: Sequence[tuple[int, bool]], name: str = "this network") -> int:
    """Return how many frames the steps leave of an excerpt, if the network can be evaluated on whole songs.

    Where a pool drops frames at an excerpt's end, all excerpts of a song evaluated at once have other values than one by one.
    Where the length is even, no frame is the centre.

    Parameters
    ----------
    excerpt_frames : int
    steps : sequence of (int, bool)
        As for `left_of`, along time, up to the first dense layer.
    name : str
        Of the network, for the message.

    Raises
    ------
    ConfigError
        Names the nearest lengths that work.
    """

    def works(n: int) -> bool:
        left, whole = left_of(n, steps)
        return n % 2 == 1 and whole and left > 0

    left, whole = left_of(excerpt_frames, steps)
    if works(excerpt_frames):
        return left
    if left < 1:
        wrong = f"is too small for {name}"
    else:
        wrong = "is even, so that no frame is the centre" if whole else f"leaves a remainder in a pool of {name}"
    below = next((n for n in range(excerpt_frames - 1, 0, -1) if works(n)), None)
    above = next((n for n in range(excerpt_frames + 1, excerpt_frames + 10_000) if works(n)), None)
    nearest = " or ".join(str(n) for n in (below, above) if n) or "other kernels"
    raise ConfigError(f"frontend.excerpt_frames {excerpt_frames} {wrong}: choose {nearest}")


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
        Of the detector's convolutions; weights, statistics, loss and optimiser are float32 in any case. On a CPU that does
        not compute bfloat16 it is float32, with a warning.
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
    standardisation: Standardisation = "exact"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name, (low, high, whole) in _RANGES.items():
            within(getattr(self, name), low, high, f"detector.training.{name}", whole=whole)
        if isinstance(self.targets, str) or not isinstance(self.targets, Sequence) or len(self.targets) != 2:
            raise ConfigError(
                f"detector.training.targets is {quoted(self.targets)}: give two numbers, for no sing and for sing"
            )
        object.__setattr__(self, "targets", tuple(self.targets))
        for target in self.targets:
            within(target, 0, 1, "detector.training.targets")
        if not self.targets[0] < 0.5 < self.targets[1]:
            raise ConfigError(
                f"detector.training.targets {list(self.targets)} are not below and above 0.5: give that of no sing first, "
                "as in [0.02, 0.98]"
            )
        for unit in ("hz", "semitones"):
            least, most = (getattr(self, f"filter_{end}_{unit}") for end in ("min", "max"))
            if least > most:
                raise ConfigError(
                    f"detector.training.filter_min_{unit} {plain(least)} is above filter_max_{unit} {plain(most)}: swap them"
                )
        one_of(self.standardisation, get_args(Standardisation), "detector.training.standardisation")
        one_of(self.precision, get_args(Precision), "detector.training.precision")


# Least and most that make sense, and whether it is a whole number. What is larger is a slip of the pen.
_RANGES: dict[str, tuple[float, float, bool]] = {
    "n_updates": (0, 10**8, True),
    "batch": (2, 10_000, True),
    "learning_rate": (1e-12, 10, False),
    "decay": (1e-6, 1, False),
    "decay_every": (1, 10**9, True),
    "stretch": (0, 0.9, False),
    "shift": (0, 0.9, False),
    "filter_db": (0, 100, False),
    "filter_min_hz": (1e-3, 1e6, False),
    "filter_max_hz": (1e-3, 1e6, False),
    "filter_min_semitones": (1e-3, 1200, False),
    "filter_max_semitones": (1e-3, 1200, False),
}
