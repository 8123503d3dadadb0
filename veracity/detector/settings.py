"""Architectures of the detector and settings of its training; this module imports neither torch nor NumPy."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ..errors import ConfigError, plain
from ..settings import between, settings

Layers = Literal["ismir2015", "ismir2016"]
Standardisation = Literal["exact", "running"]
BatchNorms = Literal["running", "final"]
Precision = Literal["float32", "bfloat16"]
Batch = Annotated[int, between(2, 10_000)]
DecayEvery = Annotated[int, between(1, 10**9)]
Change = Annotated[float, between(0, 0.9)]

# Number of excerpts in one shard of a batch (`veracity.detector.shards`), so few that a shard fits in the cache. Eight such
# shards take less time than 32 excerpts at once, even on a single thread.
SHARD_EXCERPTS = 4


class Step(NamedTuple):
    """Step from the excerpt to the first dense layer: a convolution without padding and with stride 1, or a max-pool.

    Attributes
    ----------
    kernel : tuple of int
        Size in frames and bands. The stride of a pool equals its kernel.
    convolution, norm : str
        Names of the convolution and of its batch norm in a checkpoint; empty for a pool.
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


@settings("detector.architecture")
class Architecture:
    """Architecture of the detector, one of the published networks.

    Attributes
    ----------
    layers : {"ismir2015", "ismir2016"}
        Layers of the network: those of 2015 with batch norm, as in the paper's published checkpoint, or the variant of 2016, in
        which a 3 x 18 convolution and pooling along frequency replace the second pooling layer.
    zero_mean : bool
        Whether each kernel of the first convolution has its mean subtracted; if so, the layer has no bias.
    """

    layers: Layers = "ismir2015"
    zero_mean: Annotated[bool, Field(strict=True)] = True

    @property
    def steps(self) -> tuple[Step, ...]:
        """Steps from the excerpt to the first dense layer."""
        return STEPS[self.layers]

    def dense_kernel(self, excerpt_frames: int, n_mels: int) -> tuple[int, int]:
        """Return the size of the map that enters the first dense layer.

        Parameters
        ----------
        excerpt_frames, n_mels : int
            Number of frames and mel bands of an excerpt.

        Returns
        -------
        tuple of int
            Numbers of frames and bands: 11 x 7 for the paper's excerpts, 31 x 1 for the layers of 2016.

        Raises
        ------
        ConfigError
            If the map would be empty, or if the number of frames is not valid (see `checked_frames`).
        """
        times, bands = ([(step.kernel[axis], step.is_pool) for step in self.steps] for axis in (0, 1))
        if (left := left_of(n_mels, bands)[0]) < 1:
            least = next(n for n in range(1, 1000) if left_of(n, bands)[0] > 0)
            raise ConfigError(f"frontend.n_mels: too small for {self.layers}, got {n_mels}. Raise it to {least} or more.")
        return checked_frames(excerpt_frames, times, self.layers), left


def left_of(size: int, steps: Sequence[tuple[int, bool]]) -> tuple[int, bool]:
    """Return the output length of convolutions and pools along one axis, and whether every pool divides its input evenly.

    Parameters
    ----------
    size : int
        Length of the input.
    steps : sequence of (int, bool)
        Kernel size of each step, and whether the step is a pool, whose stride equals its kernel size.

    Returns
    -------
    size : int
        Length of the output.
    whole : bool
        False if any pool drops a remainder.
    """
    whole = True
    for extent, is_pool in steps:
        whole = whole and not (is_pool and size % extent)
        size = size // extent if is_pool else size - extent + 1
    return size, whole


def checked_frames(excerpt_frames: int, steps: Sequence[tuple[int, bool]], name: str = "this network") -> int:
    """Return the output frames of the steps for an excerpt, after checking that whole songs can be evaluated at once.

    If a pool drops frames at the end of an excerpt, evaluating all excerpts of a song at once gives other values than
    evaluating them separately. If the number of frames is even, no frame is the centre.

    Parameters
    ----------
    excerpt_frames : int
        Number of frames of an excerpt.
    steps : sequence of (int, bool)
        Steps along time up to the first dense layer, as for `left_of`.
    name : str
        Name of the network in the error message, "this network" by default.

    Returns
    -------
    int
        Number of frames that enter the first dense layer.

    Raises
    ------
    ConfigError
        If the number of frames is not valid. The message gives the nearest valid ones.
    """

    def works(n: int) -> bool:
        left, whole = left_of(n, steps)
        return n % 2 == 1 and whole and left > 0

    left, whole = left_of(excerpt_frames, steps)
    if works(excerpt_frames):
        return left
    if left < 1:
        wrong = f"too small for {name}"
    else:
        wrong = "even, so that no frame is the centre" if whole else f"leaves a remainder in a pool of {name}"
    below = next((n for n in range(excerpt_frames - 1, 0, -1) if works(n)), None)
    above = next((n for n in range(excerpt_frames + 1, excerpt_frames + 10_000) if works(n)), None)
    nearest = " or ".join(str(n) for n in (below, above) if n) or "other kernels"
    raise ConfigError(f"frontend.excerpt_frames: {wrong}, got {excerpt_frames}. Choose {nearest}.")


@settings("detector.training")
class TrainingSettings:
    """Settings of training; the defaults are the paper's.

    Attributes
    ----------
    n_updates : int
        Number of updates.
    batch : int
        Number of excerpts per update.
    learning_rate : float
        Initial learning rate of Adam.
    decay : float
        Factor by which the learning rate is multiplied every `decay_every` updates.
    decay_every : int
        Number of updates between two multiplications of the learning rate by `decay`.
    targets : tuple of float
        Smoothed labels of "no sing" and "sing".
    stretch : float
        Largest relative time stretch; the factor is drawn uniformly from [1 - stretch, 1 + stretch].
    shift : float
        Largest relative pitch shift; the factor is drawn uniformly from [1 - shift, 1 + shift].
    filter_db : float
        Largest gain of the random filter in dB; the gain is drawn uniformly from [-filter_db, filter_db].
    filter_min_hz : float
        Lower limit of the centre frequency of the random filter in Hz; the frequency is drawn log-uniformly.
    filter_max_hz : float
        Upper limit of the centre frequency of the random filter in Hz.
    filter_min_semitones : float
        Lower limit of the width of the random filter in semitones; the width is drawn uniformly.
    filter_max_semitones : float
        Upper limit of the width of the random filter in semitones.
    standardisation : {"exact", "running"}
        Statistics that standardise the log-mel bands: exact statistics of the training set (the paper), or batch-norm running
        statistics of the augmented batches (the published implementation).
    batch_norms : {"running", "final"}
        Statistics of the batch norms: running averages over the training batches (the paper), or statistics of the final
        network over random training excerpts without augmentation and dropout. Running averages lag behind weights that
        still change fast, as in short training runs; this can shift all probabilities towards 0 or 1.
    precision : {"float32", "bfloat16"}
        Precision of the convolutions of the detector. Weights, statistics, loss and optimiser are always float32. A CPU without
        bfloat16 uses float32, with a warning.
    """

    n_updates: Annotated[int, between(0, 10**8)] = 40000
    batch: Batch = 32
    learning_rate: Annotated[float, between(1e-12, 10)] = 1e-3
    decay: Annotated[float, between(1e-6, 1)] = 0.85
    decay_every: DecayEvery = 2000
    targets: tuple[Annotated[float, between(0, 1)], Annotated[float, between(0, 1)]] = (0.02, 0.98)
    stretch: Change = 0.3
    shift: Change = 0.3
    filter_db: Annotated[float, between(0, 100)] = 10.0
    filter_min_hz: Annotated[float, between(1e-3, 1e6)] = 150.0
    filter_max_hz: Annotated[float, between(1e-3, 1e6)] = 8000.0
    filter_min_semitones: Annotated[float, between(1e-3, 1200)] = 5.0
    filter_max_semitones: Annotated[float, between(1e-3, 1200)] = 7.0
    standardisation: Standardisation = "exact"
    batch_norms: BatchNorms = "running"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if not self.targets[0] < 0.5 < self.targets[1]:
            raise ConfigError(
                f"detector.training.targets: must be below and above 0.5, got {list(self.targets)}. Put no sing "
                "first, as in [0.02, 0.98]."
            )
        for unit in ("hz", "semitones"):
            least, most = (getattr(self, f"filter_{end}_{unit}") for end in ("min", "max"))
            if least > most:
                raise ConfigError(
                    f"detector.training.filter_min_{unit}: above filter_max_{unit} {plain(most)}, got {plain(least)}. "
                    "Swap them."
                )
