"""What the stages of the experiment hand to each other, as they stand in HDF5 files (see `veracity.store`).

Needs NumPy and h5py only, so that tables and figures are made without loading torch. Where an array has an axis ``input``,
``method`` or ``fill``, the field of that plural name tells what lies at each position.
"""

from dataclasses import dataclass

import numpy as np

from .store import array, note


@dataclass(frozen=True, kw_only=True)
class Spectrogram:
    """Spectrograms of one song, and what is sung in it: magnitudes as training holds them, and what the detector sees."""

    song: str = note("name of the song")
    split: str = note("train, valid or test")
    label_overhang_seconds: float = note(
        "how far the labels run past the audio (negative: end before it); they are clipped or go on to its end"
    )
    magnitude: np.ndarray = array("frame", "bin", unit="linear magnitude", doc="short-time Fourier magnitudes, float16")
    log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="of the unrounded magnitudes")
    is_sing: np.ndarray = array("frame", unit="1", doc="whether the label at the frame's time is sing")


@dataclass(frozen=True, kw_only=True)
class SongPrediction:
    """What a detector says of one song."""

    split: str = note("train, valid or test")
    logit: np.ndarray = array("frame", unit="logit", doc="of P(sing), unfiltered")
    p_sing_smooth: np.ndarray = array("frame", unit="probability", doc="P(sing) after the median filter")
    is_sing: np.ndarray = array("frame", unit="1", doc="whether the label is sing")


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What one detector says of the songs that it was not trained on."""

    detector: str = note("name of the detector")
    threshold: float = note("sing is P(sing) > threshold")
    threshold_source: str = note("given, or tuned on the validation songs")
    songs: dict[str, SongPrediction] = note("one group for each song")


@dataclass(frozen=True, kw_only=True)
class SongAttack:
    """One perturbation for a song, and what the detector makes of it."""

    domain: str = note("waveform or spectrogram: what delta is added to")
    threshold: float = note("sing is P(sing) > threshold")
    start_seconds: float = note("where the attacked part begins in the song, seconds")
    snr_db: float = note("energy of the clean input over that of delta, dB")
    delta_l2: float = note("Euclidean norm of delta")
    delta_max: float = note("largest absolute value of delta")
    delta: np.ndarray = array(
        "sample | padded_frame",
        "1 | bin",
        unit="full scale | linear magnitude",
        doc="the perturbation, kept in float32",
    )
    clean_log_mel: np.ndarray = array("padded_frame", "mel", unit="ln magnitude", doc="57 frames of silence on both sides")
    adversarial_log_mel: np.ndarray = array("padded_frame", "mel", unit="ln magnitude", doc="the same of the perturbed input")
    clean_logit: np.ndarray = array("frame", unit="logit", doc="of P(sing), one for each frame of the song")
    adversarial_logit: np.ndarray = array("frame", unit="logit", doc="the same of the perturbed input")
    loss_history: np.ndarray = array("update", unit="1", doc="total loss before each update, and at the end")
    flipped_history: np.ndarray = array("update", unit="frames", doc="frames flipped before each update, and at the end")


@dataclass(frozen=True, kw_only=True)
class ExcerptAttack:
    """One perturbation for each of some single excerpts."""

    domain: str = note("waveform or spectrogram: what delta is added to")
    threshold: float = note("sing is P(sing) > threshold")
    start_seconds: float = note("where the attacked part begins in the song, seconds")
    start_frame: np.ndarray = array("excerpt", unit="frames", doc="first frame of each excerpt in the attacked part")
    delta: np.ndarray = array(
        "excerpt", "sample | frame", "1 | bin", unit="full scale | linear magnitude", doc="the perturbations, float32"
    )
    snr_db: np.ndarray = array("excerpt", unit="dB", doc="energy of the clean input over that of delta")
    clean_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the clean excerpts")
    adversarial_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the perturbed excerpts")
    clean_logit: np.ndarray = array("excerpt", unit="logit", doc="of P(sing)")
    adversarial_logit: np.ndarray = array("excerpt", unit="logit", doc="of P(sing)")
    loss_history: np.ndarray = array("update", unit="1", doc="sum of the excerpts' losses before each update, and at the end")
    flipped_history: np.ndarray = array("update", unit="excerpts", doc="excerpts flipped before each update, and at the end")


@dataclass(frozen=True, kw_only=True)
class Excerpts:
    """Excerpts of one song whose label an attack has flipped, picked at random."""

    domain: str = note("waveform or spectrogram: what the attack perturbed")
    scope: str = note("song: one perturbation for the song (the paper); excerpt: one for each excerpt")
    threshold: float = note("sing is P(sing) > threshold")
    start_seconds: float = note("where the attacked part begins in the song, seconds")
    n_nosing: int = note("excerpts of the attacked part that were no sing")
    n_sing: int = note("excerpts of the attacked part that were sing")
    n_nosing_flipped: int = note("of the no-sing excerpts, how many the attack turned to sing")
    n_sing_flipped: int = note("of the sing excerpts, how many the attack turned to no sing")
    start_frame: np.ndarray = array("excerpt", unit="frames", doc="first frame of each excerpt in the attacked part")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    clean_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the clean excerpts")
    adversarial_log_mel: np.ndarray = array("excerpt", "frame", "mel", unit="ln magnitude", doc="the perturbed excerpts")
    clean_p_sing: np.ndarray = array("excerpt", unit="probability", doc="P(sing) of the clean excerpts")
    adversarial_p_sing: np.ndarray = array("excerpt", unit="probability", doc="P(sing) of the perturbed excerpts")


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """LIME (sampled and exact) and exact attributions of the clean and the adversarial excerpts of one song.

    Weights are those of a surrogate of P(sing), whatever label is explained. What was not computed is NaN.
    """

    evaluator: str = note("tables (exact, fast) or direct (one forward pass for each mask)")
    inputs: np.ndarray = array("input", unit="name", doc="clean, adversarial")
    fills: np.ndarray = array("fill", unit="name", doc="content of switched-off segments")
    methods: np.ndarray = array("method", unit="name", doc="sampled: N_s random masks; exact: all masks")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    weights: np.ndarray = array("input", "fill", "method", "excerpt", "segment", unit="probability", doc="LIME weights")
    intercept: np.ndarray = array("input", "fill", "method", "excerpt", unit="probability", doc="LIME intercepts")
    fidelity: np.ndarray = array("input", "fill", "method", "excerpt", unit="1", doc="weighted R^2 of the surrogate")
    local_prediction: np.ndarray = array(
        "input", "fill", "method", "excerpt", unit="probability", doc="surrogate of the whole excerpt"
    )
    shapley: np.ndarray = array("input", "fill", "excerpt", "segment", unit="probability", doc="exact Shapley values")
    banzhaf: np.ndarray = array("input", "fill", "excerpt", "segment", unit="probability", doc="exact Banzhaf values")
    variance_by_order: np.ndarray = array(
        "input",
        "fill",
        "excerpt",
        "order",
        unit="probability^2",
        doc="variance over all masks by order of interaction, 1 first",
    )
    audit: np.ndarray = array("input", "fill", "excerpt", unit="probability", doc="largest difference from direct evaluation")

    def along(self, name: str, *, input: str = "adversarial", fill: str, method: str = "sampled") -> np.ndarray:
        """Return a field's values for one input, one fill and (where it has that axis) one method."""
        values = getattr(self, name)[list(self.inputs).index(input), list(self.fills).index(fill)]
        return (
            values[list(self.methods).index(method)]
            if name in ("weights", "intercept", "fidelity", "local_prediction")
            else values
        )


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Which segments of a perturbation flip the label: by LIME, by energy, and in truth.

    The truth needs all masks; its fields are absent where only single masks could be evaluated.
    """

    evaluator: str = note("tables (exact, fast) or direct (one forward pass for each mask)")
    fills: np.ndarray = array("fill", unit="name", doc="content of switched-off segments in LIME")
    methods: np.ndarray = array("method", unit="name", doc="sampled or exact LIME")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    energy: np.ndarray = array("excerpt", "segment", unit="(ln magnitude)^2", doc="sum of squares of the log-mel difference")
    by_lime: np.ndarray = array("fill", "method", "excerpt", "k", unit="1", doc="do LIME's first 1, 2, ... segments flip?")
    by_energy: np.ndarray = array("excerpt", "k", unit="1", doc="do the 1, 2, ... segments of highest energy flip?")
    n_positive: np.ndarray = array("fill", "method", "excerpt", unit="segments", doc="segments that LIME counts in favour")
    positive_by_lime: np.ndarray = array("fill", "method", "excerpt", unit="1", doc="do all segments in favour flip?")
    positive_by_energy: np.ndarray = array("fill", "method", "excerpt", unit="1", doc="do as many segments by energy flip?")
    best: np.ndarray | None = array("excerpt", "k", unit="1", doc="does any set of 1, 2, ... segments flip?", optional=True)
    worst: np.ndarray | None = array("excerpt", "k", unit="1", doc="do all sets of 1, 2, ... segments flip?", optional=True)
    random: np.ndarray | None = array(
        "excerpt", "k", unit="1", doc="share of the sets of 1, 2, ... segments that flip", optional=True
    )
    smallest_size: np.ndarray | None = array("excerpt", unit="segments", doc="size of the smallest flip sets", optional=True)
    smallest_sets: np.ndarray | None = array(
        "set", unit="mask index", doc="the smallest flip sets of all excerpts", optional=True
    )
    smallest_sets_excerpt: np.ndarray | None = array("set", unit="1", doc="the excerpt of each of them", optional=True)
    n_minimal_sets: np.ndarray | None = array(
        "excerpt", "size", unit="sets", doc="inclusion-minimal flip sets of 0, 1, 2, ... segments", optional=True
    )
    core: np.ndarray | None = array(
        "excerpt", "segment", unit="1", doc="is the segment in every smallest flip set?", optional=True
    )
    necessary: np.ndarray | None = array(
        "excerpt", "segment", unit="1", doc="does taking it alone out undo the flip?", optional=True
    )
    shapley: np.ndarray | None = array(
        "excerpt",
        "segment",
        unit="probability",
        doc="exact Shapley values of the perturbation's segments",
        optional=True,
    )
    flips_packed: np.ndarray | None = array(
        "excerpt",
        "byte",
        unit="bits",
        doc="does each mask flip? numpy.unpackbits(..., bitorder='little')",
        optional=True,
    )
    audit: np.ndarray | None = array(
        "excerpt", unit="probability", doc="largest difference from direct evaluation", optional=True
    )


@dataclass(frozen=True, kw_only=True)
class Localised:
    """Whether LIME finds a perturbation that was confined to the k segments of highest energy.

    One row for each excerpt and k for which these segments alone still flip the label.
    """

    evaluator: str = note("tables (exact, fast) or direct (one forward pass for each mask)")
    fill: str = note("content of switched-off segments")
    methods: np.ndarray = array("method", unit="name", doc="sampled or exact LIME")
    k_tried: np.ndarray = array("k", unit="segments", doc="numbers of segments that were tried")
    n_excerpts: int = note("excerpts of which each k was tried")
    k: np.ndarray = array("row", unit="segments", doc="segments that hold the perturbation")
    excerpt: np.ndarray = array("row", unit="1", doc="index of the excerpt")
    original: np.ndarray = array("row", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    kept: np.ndarray = array("row", unit="mask index", doc="the segments that hold the perturbation")
    p_sing: np.ndarray = array("row", unit="probability", doc="P(sing) of the partly perturbed excerpt")
    weights: np.ndarray = array("method", "row", "segment", unit="probability", doc="LIME weights")
    fidelity: np.ndarray = array("method", "row", unit="1", doc="weighted R^2 of the surrogate")
    n_found: np.ndarray = array("method", "row", unit="segments", doc="of the k segments, how many are in LIME's top k")
    found_flips: np.ndarray = array("method", "row", unit="1", doc="do the segments found suffice to flip the label?")
    n_needed: np.ndarray | None = array(
        "row", unit="segments", doc="size of the smallest flip sets within the k segments", optional=True
    )
    needed_found: np.ndarray | None = array(
        "method",
        "row",
        unit="1",
        doc="share of the best-matched smallest flip set that is in LIME's top k",
        optional=True,
    )
    audit: np.ndarray = array("row", unit="probability", doc="largest difference from direct evaluation")


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How sampled LIME differs from exact LIME, against the number of samples."""

    fill: str = note("content of switched-off segments")
    n_samples: np.ndarray = array("size", unit="masks", doc="N_s")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    weight_error: np.ndarray = array(
        "excerpt", "size", "repeat", unit="1", doc="RMS difference of the weights over the RMS of the exact ones"
    )
    top_right: np.ndarray = array("excerpt", "size", "repeat", unit="1", doc="is the top segment that of exact LIME?")
    top_overlap: np.ndarray = array(
        "excerpt", "size", "repeat", unit="segments", doc="how many of the top 3 are among exact LIME's top 3"
    )
    fidelity: np.ndarray = array("excerpt", "size", "repeat", unit="1", doc="weighted R^2 of the sampled fit")
    fidelity_exact: np.ndarray = array("excerpt", unit="1", doc="weighted R^2 of the exact fit")
    audit: np.ndarray = array("excerpt", unit="probability", doc="largest difference from direct evaluation")


@dataclass(frozen=True, kw_only=True)
class DrawnExcerpt:
    """A no-sing excerpt on which something was drawn until the label flipped, and what LIME says of it."""

    found: bool = note("whether a drawing flipped the label; if not, the arrays are empty")
    shape: str = note("what was drawn")
    strength: float = note("level of the drawing above the mean of the excerpt, ln magnitude")
    start_frame: int = note("first frame of the excerpt in the song")
    fidelity: float = note("weighted R^2 of sampled LIME")
    fidelity_exact: float = note("weighted R^2 of exact LIME; NaN when not computed")
    clean_p_sing: float = note("P(sing) of the clean excerpt")
    drawn_p_sing: float = note("P(sing) of the drawn-on excerpt")
    audit: float = note("largest difference from direct evaluation, probability; NaN when nothing was explained")
    clean_log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="the clean excerpt")
    drawn_log_mel: np.ndarray = array("frame", "mel", unit="ln magnitude", doc="the excerpt with the drawing")
    coverage: np.ndarray = array("frame", "mel", unit="1", doc="where the drawing is, 0 to 1")
    weights: np.ndarray = array("segment", unit="probability", doc="sampled LIME weights of the drawn-on excerpt")
    coverage_by_segment: np.ndarray = array("segment", unit="1", doc="share of the drawing that lies in each segment")
