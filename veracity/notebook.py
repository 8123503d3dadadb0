"""Interface for notebooks: attack and explain one excerpt in a single call, then plot and play the results.

`explain` attacks a few seconds of a song. It determines which segments of the perturbation flip the decision, exactly and
according to LIME. `example` creates a song to try this with. All weights refer to one *label*: positive
weights are evidence for it.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from .attacks.settings import DOMAINS, PAPER, AttackSettings, Domain
from .detector.decisions import flipped, is_sing, probability
from .detector.pretrained import PRETRAINED
from .errors import ConfigError, one_of, quoted, within
from .experiments.perturbation_games import mask_index
from .explainers import lime
from .games import solution_concepts
from .games.game import Fill, Game, fill_game
from .games.grid import SegmentGrid, masks_of
from .jobs.seeds import rng_for
from .labels import LABELS, SING, Label, in_figure, title, towards
from .labels import label as label_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from .classifiers.protocol import OneLabel
    from .detector.checkpoints import Checkpoint
    from .detector.network import Network
    from .games.explained import ExplainedModel
    from .songs.settings import FrontEnd

    Audio = str | os.PathLike | np.ndarray | Tensor | tuple[np.ndarray | Tensor, int]

ATTACKED_SECONDS = 3.0
HALF = 0.5  # threshold for a checkpoint without one


@dataclass(frozen=True)
class Explained:
    """Adversarial excerpt with its exact flips and attributions.

    Attributes
    ----------
    label : {"sing", "nosing"}
        The explained label, to which values and weights refer.
    label_name : str
        Display name of "sing".
    seconds : float
        Start of the excerpt in the song in seconds. `p_sing` returns the centre, `excerpt_seconds` / 2 later.
    audio : ndarray, shape (n_samples,), float32
        Attacked part of the song.
    adversarial_audio : ndarray, shape (n_samples,), float32, or None
        The same part after the attack; None if the attack perturbs the representation.
    audio_seconds : float
        Start of the attacked part in the song in seconds.
    sample_rate : int
        Sample rate in Hz.
    excerpt_seconds : float
        Length of the excerpt in seconds.
    clean, adversarial : ndarray, shape (n_frames, n_bands)
        Excerpt before and after the attack, in the representation of the model.
    p_clean, p_adversarial : float
        P(sing) before and after the attack.
    threshold : float
        Decision threshold: "sing" is P(sing) > threshold.
    grid : SegmentGrid
        Segments of the excerpt. The index of a segment is ``time * grid.n_band + band``, lowest band first; see `place`.
    values : ndarray, shape (2**n_segments,)
        Values of the fill game of the adversarial excerpt: probability of the label for all masks.
    flips : ndarray of bool, shape (2**n_segments,)
        Flips of the perturbation game: whether each set of segments of the perturbation, added to the clean excerpt, flips the
        decision.
    lime : ndarray, shape (n_segments,)
        Weights of sampled LIME, signed in favour of the label.
    lime_exact : ndarray, shape (n_segments,)
        Weights of LIME fitted to all masks, signed in favour of the label.
    shapley : ndarray, shape (n_segments,)
        Exact Shapley values of the label's probability.
    fidelity, fidelity_exact : float
        Weighted R^2 of the surrogates of `lime` and `lime_exact`.
    frontend : FrontEnd or None
        Front end of the detector; None for a user-supplied classifier.
    is_arg_max : bool
        Whether the label with the largest logit is predicted. P(sing) is then the sigmoid of its logit minus the largest other
        logit, and the threshold is 0.5.
    """

    label: Label
    label_name: str
    seconds: float
    audio: np.ndarray
    adversarial_audio: np.ndarray | None
    audio_seconds: float
    sample_rate: int
    excerpt_seconds: float
    clean: np.ndarray
    adversarial: np.ndarray
    p_clean: float
    p_adversarial: float
    threshold: float
    grid: SegmentGrid
    values: np.ndarray
    flips: np.ndarray
    lime: np.ndarray
    lime_exact: np.ndarray
    shapley: np.ndarray
    fidelity: float
    fidelity_exact: float
    frontend: FrontEnd | None = None
    is_arg_max: bool = False

    @property
    def before(self) -> str:
        """Display name of the decision on the clean excerpt."""
        return title(label_of(bool(is_sing(self.p_clean, self.threshold))), self.label_name)

    @property
    def after(self) -> str:
        """Display name of the decision on the adversarial excerpt."""
        return title(label_of(bool(is_sing(self.p_adversarial, self.threshold))), self.label_name)

    @property
    def smallest_sets(self) -> list[tuple[int, ...]]:
        """Smallest sets of segments of the perturbation that flip the decision; empty if no set does."""
        masks = masks_of(solution_concepts.smallest_flip_sets(self.flips), self.grid.n_segments)
        return [tuple(np.flatnonzero(mask).tolist()) for mask in masks]

    def flip(self, segments: Iterable[int]) -> bool:
        """Return whether the given segments of the perturbation alone flip the decision."""
        chosen = list(segments)
        for segment in chosen:
            self._checked(segment)
        return bool(self.flips[mask_index(np.unique(np.array(chosen, dtype=np.int64)))])

    def place(self, segment: int) -> str:
        """Return the time range in the song and the band range of a segment as text."""
        time, band = divmod(self._checked(segment), self.grid.n_band)
        frames = np.flatnonzero(self.grid.time_of_frame == time)[[0, -1]] + [0, 1]
        first, last = self.seconds + frames / self.grid.n_frames * self.excerpt_seconds
        low, high = np.flatnonzero(self.grid.band_of_mel == band)[[0, -1]]
        return f"{first:.2f}-{last:.2f} s, bands {low}-{high} of {self.grid.n_mels}"

    def sound(self, segments: Iterable[int]) -> np.ndarray:
        """Return the attacked part of the song with only the given segments of the perturbation.

        The sound is composed of frames and bins of both versions with their phases. The decision on it may differ from `flip`,
        which combines log-mel excerpts.

        Parameters
        ----------
        segments : iterable of int
            Indices of the segments.

        Returns
        -------
        ndarray, shape (n_samples,), float32
            Audio, with the shape of `audio`.

        Raises
        ------
        ConfigError
            If the attack perturbs the representation or the model is a user-supplied classifier. In these cases, segments
            need not correspond to parts of a sound.
        """
        from .songs.resynthesis import partly_perturbed

        if self.frontend is None or self.adversarial_audio is None:
            raise ConfigError(
                "sound: requires a waveform attack on a detector. Call explain with domain='waveform' and a checkpoint."
            )
        chosen = np.isin(self.grid.segment_map(), [self._checked(segment) for segment in segments])
        first = round((self.seconds - self.audio_seconds) * self.frontend.frames_per_second)
        return partly_perturbed(self.audio, self.adversarial_audio, chosen, self.frontend, first_frame=first)

    @property
    def snr_db(self) -> float:
        """Energy of the attacked part relative to that of the perturbation in dB; NaN if the representation was attacked."""
        if self.adversarial_audio is None:
            return math.nan
        energy, noise = (float((x.astype(np.float64) ** 2).sum()) for x in (self.audio, self.adversarial_audio - self.audio))
        return 10 * math.log10(energy / noise) if energy and noise else math.inf

    def _checked(self, segment: int) -> int:
        within(segment, 0, self.grid.n_segments - 1, "segment", whole=True)
        return int(segment)

    def top(self, k: int | None = None, by: str = "lime") -> tuple[int, ...]:
        """Return the segments with the largest weights for the label.

        Parameters
        ----------
        k : int, optional
            Number of segments, by default 3, or all if there are fewer.
        by : {"lime", "lime_exact", "shapley"}
            Weights that determine the ranking, "lime" by default.

        Returns
        -------
        tuple of int
            Segments in the order of decreasing weight.

        Raises
        ------
        ConfigError
            If `k` or `by` is invalid.
        """
        if by not in ("lime", "lime_exact", "shapley"):
            raise ConfigError(f"by: must be one of lime, lime_exact or shapley, got {quoted(by)}.")
        k = min(3, self.grid.n_segments) if k is None else k
        within(k, 1, self.grid.n_segments, "k", whole=True)
        return tuple(lime.ranking(getattr(self, by), "sing")[:k].tolist())  # weights are already signed for the label

    def __str__(self) -> str:
        sets = self.smallest_sets
        flip_sets = "no flip set"
        if sets:
            flip_sets = f"smallest flip sets: {len(sets)}, of size {len(sets[0])}"
        return (
            f'"{self.before}" ({self.p_clean:.3f}) -> "{self.after}" ({self.p_adversarial:.3f}), '
            f"{'largest logit' if self.is_arg_max else f'threshold {self.threshold:.2f}'}\n"
            f'{flip_sets}\nLIME\'s first {len(self.top())} for "{title(self.label, self.label_name)}" {self.top()} '
            f"{'flip' if self.flip(self.top()) else 'do not flip'} the label"
        )


def explain(  # noqa: PLR0913 - options of a notebook are easier to read as keywords than in a dataclass
    audio: Audio,
    detector: str | os.PathLike | Checkpoint | OneLabel = PRETRAINED,
    *,
    at: float,
    label: Label | None = None,
    threshold: float | None = None,
    domain: Domain = "waveform",
    attack: AttackSettings | None = None,
    fill: Fill = "mean",
    n_time: int = 5,
    n_band: int = 4,
    n_samples: int = 8192,
    seed: int = 0,
) -> Explained:
    """Attack three seconds of a song and explain one excerpt (paper sections 4.3, 4.4 and 5.2).

    Parameters
    ----------
    audio : path-like, ndarray, Tensor or tuple
        Audio file; samples at the sample rate of the detector (22 050 Hz in the paper), shape (n_samples,); or samples and
        their sample rate, as `librosa.load` returns them. Full scale is -1 to 1; integers are scaled by their type.
    detector : path-like, Checkpoint or OneLabel
        Checkpoint of a detector, by default "pretrained" (``veracity/detector/pretrained.md``), or a user-supplied classifier.
        For a classifier, only the excerpt is attacked instead of three seconds.
    at : float
        Start of the excerpt in seconds. `p_sing` returns the centre, half an excerpt later.
    label : {"sing", "nosing"}, optional
        Label to explain, by default the decision on the adversarial excerpt.
    threshold : float, optional
        Decision threshold for P(sing), by default that of the checkpoint. If it has none, 0.5 is used with a warning.
    domain : {"waveform", "spectrogram"}
        Domain of the perturbation, "waveform" by default.
    attack : AttackSettings, optional
        Settings of the attack, by default the paper's for the domain with at most 200 updates.
    fill : {"mean", "zero", "min"}
        Content of switched-off segments, "mean" by default.
    n_time, n_band : int
        Number of segments along time and frequency, 5 and 4 by default.
    n_samples : int
        Number of masks of sampled LIME, 8192 by default.
    seed : int
        Seed of the masks, 0 by default.

    Returns
    -------
    Explained
        The adversarial excerpt with its exact flips and attributions.

    Raises
    ------
    ConfigError
        If the excerpt extends beyond the end of the song, or not all masks of the model can be evaluated.

    Notes
    -----
    ``docs/tour.py`` shows an example.
    """
    if label not in (None, *LABELS):
        raise ConfigError(f"label: must be sing or nosing, got {quoted(label)}.")
    within(at, 0, 1e6, "at")
    one_of(domain, DOMAINS, "domain")
    one_of(fill, get_args(Fill), "fill")
    of_lime = lime.LimeSettings(n_time=n_time, n_band=n_band, n_samples=n_samples, fill=fill, fills=(fill,))
    settings = attack or replace(PAPER[domain], max_updates=200)
    model = _model(detector, threshold)
    grid = of_lime.grid(*model.shape)
    explained = model.explained(grid)
    if not explained.exact:
        raise ConfigError(
            f"n_time, n_band: too many masks ({explained.evaluator.reason}), got {grid.n_segments} segments. Use at most 12."
        )
    parts, threshold = model.attack(_samples(audio, model.sample_rate), at, domain, settings), model.threshold
    clean, adversarial = parts["clean"], parts["adversarial"]
    p_clean, p_adversarial = explained.p_sing(np.stack([clean, adversarial]))
    of = label or label_of(bool(is_sing(p_adversarial, threshold)))
    games = [fill_game(adversarial, grid, fill), Game(adversarial, clean, grid)]
    filled, perturbed = explained.values(games)
    assert filled.all_values is not None
    assert perturbed.all_values is not None
    sampled, exact = lime.fits(filled, of_lime, rng_for(seed, "notebook"))
    assert sampled is not None
    assert exact is not None
    sign = towards(of)
    return Explained(
        label=of,
        label_name=model.label_name,
        seconds=at,
        **parts,
        p_clean=float(p_clean),
        p_adversarial=float(p_adversarial),
        threshold=threshold,
        grid=grid,
        values=filled.all_values if of == SING else 1 - filled.all_values,
        flips=flipped(perturbed.all_values, threshold, is_sing(p_clean, threshold)),
        lime=sign * sampled.weights,
        lime_exact=sign * exact.weights,
        shapley=sign * solution_concepts.shapley(filled.all_values),
        fidelity=sampled.fidelity,
        fidelity_exact=exact.fidelity,
    )


def p_sing(audio: Audio, detector: str | os.PathLike | Checkpoint = PRETRAINED) -> tuple[np.ndarray, np.ndarray]:
    """Predict P(sing) over time.

    Parameters
    ----------
    audio : path-like, ndarray, Tensor or tuple
        Audio, as for `explain`.
    detector : path-like or Checkpoint
        Checkpoint of a detector, by default "pretrained".

    Returns
    -------
    seconds : ndarray, shape (n_frames,)
        Centre of each excerpt in seconds.
    p_sing : ndarray, shape (n_frames,)
        P(sing) of each excerpt.
    """
    import torch

    from .detector.network import dense_in_chunks
    from .songs.frontend import log_mel, magnitudes, pad_silence

    checkpoint = _checkpoint(detector)
    frontend, network = checkpoint.detector.frontend, checkpoint.detector.network()
    samples = torch.as_tensor(_samples(audio, frontend.sample_rate))
    with torch.inference_mode():
        frames = pad_silence(log_mel(magnitudes(samples, frontend), frontend), frontend)
        logits = dense_in_chunks(network, frames).numpy()
    return np.arange(len(logits)) / frontend.frames_per_second, probability(logits)


def example(folder: str | os.PathLike = "results/example", *, seed: int = 0) -> Path:
    """Synthesise an example song. An existing file is overwritten, with identical bytes for the same seed.

    The song contains no human singing, so its results are not evidence about music.

    Parameters
    ----------
    folder : path-like
        Folder of the song, "results/example" by default.
    seed : int
        Seed of the song, 0 by default.

    Returns
    -------
    Path
        Path to the audio file.
    """
    from .songs.synthesis import SynthesisSettings, write_corpus

    write_corpus(folder, SynthesisSettings(n_train=0, n_valid=0, n_test=1, seconds=20), seed=seed)
    return Path(folder, "audio", "synthetic-test-01.flac")


def plot(explained: Explained, k: int | None = None) -> Figure:
    """Plot the excerpt before and after the attack, the top k segments of LIME, and a smallest flip set.

    Parameters
    ----------
    explained : Explained
        Result of `explain`.
    k : int, optional
        Number of top segments of LIME, by default 3, or all if there are fewer.

    Returns
    -------
    Figure
        Figure with four subplots.
    """
    from .results.canvas import new_figure
    from .results.segments import plot_segments

    figure, axes = new_figure(1, 4, (10.0, 2.8), sharex=True, sharey=True)
    sets = explained.smallest_sets
    magnitudes = [np.log(np.abs(x) + 1e-7) if np.iscomplexobj(x) else x for x in (explained.clean, explained.adversarial)]
    low, high = np.percentile(magnitudes, 2), np.max(magnitudes)
    shown = [
        (f"“{explained.before}”, {explained.p_clean:.2f}", magnitudes[0], None),
        (f"“{explained.after}”, {explained.p_adversarial:.2f}", magnitudes[1], None),
        (f"LIME's first {len(explained.top(k))}", magnitudes[1], explained.top(k)),
        ("a smallest flip set", magnitudes[1], sets[0] if sets else ()),
    ]
    for ax, (heading, image, segments) in zip(axes[0], shown, strict=True):
        plot_segments(ax, image, explained.grid, segments, seconds=explained.excerpt_seconds, low=low, high=high)
        ax.set_title(in_figure(heading), fontsize=9)
        ax.set_xlabel("time [s]")
    axes[0, 0].set_ylabel("band")
    return figure


def _checkpoint(detector: str | os.PathLike | Checkpoint) -> Checkpoint:
    from .detector.checkpoints import Checkpoint, load_checkpoint

    return detector if isinstance(detector, Checkpoint) else load_checkpoint(detector)


def _samples(audio: Audio, sample_rate: int) -> np.ndarray:
    from .songs.audio import load_audio, one_channel, resampled

    if isinstance(audio, str | os.PathLike):
        return load_audio(audio, sample_rate=sample_rate)
    if isinstance(audio, tuple) and len(audio) == 2:  # samples and sample rate
        return resampled(one_channel(audio[0]), audio[1], sample_rate)
    if hasattr(audio, "read"):
        raise ConfigError(f"audio: must be a path or samples, got an open file ({type(audio).__name__}). Give its path.")
    return one_channel(audio)


@dataclass(frozen=True)
class _Model:
    """Model to attack and explain."""

    shape: tuple[int, int]  # of its representation of an excerpt
    sample_rate: int  # Hz
    explained: Callable[[SegmentGrid], ExplainedModel]
    attack: Callable[[np.ndarray, float, Domain, AttackSettings], dict[str, Any]]  # fields of `Explained` about the excerpt
    threshold: float
    label_name: str = SING


def _model(detector: str | os.PathLike | Checkpoint | OneLabel, threshold: float | None) -> _Model:
    """Return the model to attack and explain; a user-supplied classifier is checked first."""
    from .classifiers.protocol import OneLabel

    if isinstance(detector, OneLabel):
        from .classifiers.building import check
        from .games.models import explained_classifier

        if threshold is not None:
            raise ConfigError(f"threshold: must be that of the OneLabel, got {quoted(threshold)}. Leave it out.")
        check(detector, type(detector.classifier).__name__)
        attack = partial(_attacked_window, detector)
        explained = partial(explained_classifier, detector)
        return _Model(detector.shape, detector.classifier.sample_rate, explained, attack, detector.decision, detector.label)
    from .games.models import explained_model

    checkpoint = _checkpoint(detector)
    network, frontend = checkpoint.detector.network(), checkpoint.detector.frontend
    threshold = checkpoint.threshold if threshold is None else threshold
    if threshold is None:
        warnings.warn(f"threshold: missing in the checkpoint, so {HALF} is used. Set threshold.", stacklevel=3)
        threshold = HALF
    shape = frontend.excerpt_frames, frontend.n_mels
    attack = partial(_attacked_song, network, frontend, threshold)
    return _Model(shape, frontend.sample_rate, partial(explained_model, network), attack, threshold)


def _attacked_window(
    detector: OneLabel, samples: np.ndarray, at: float, domain: Domain, settings: AttackSettings
) -> dict[str, Any]:
    from .attacks.windows import attack_windows
    from .classifiers.protocol import ARG_MAX

    rate, size = detector.classifier.sample_rate, detector.classifier.excerpt_samples
    part = _cut(samples, round(at * rate), size, rate)
    name = type(detector.classifier).__name__
    attack = attack_windows(part, detector, settings, name=name, domain=domain, scope="excerpt", hop_seconds=1.0)
    return {
        "clean": attack.clean[0],
        "adversarial": attack.adversarial[0],
        "audio": part,
        "adversarial_audio": part + attack.delta[0, :, 0] if domain == "waveform" else None,
        "audio_seconds": at,
        "sample_rate": rate,
        "excerpt_seconds": size / rate,
        "is_arg_max": detector.threshold == ARG_MAX,
    }


def _attacked_song(
    network: Network,
    frontend: FrontEnd,
    threshold: float,
    samples: np.ndarray,
    at: float,
    domain: Domain,
    settings: AttackSettings,
) -> dict[str, Any]:
    from .attacks.detector import AttackedDetector
    from .attacks.song_scope import attack_song

    rate, hop, n_frames = frontend.sample_rate, frontend.hop_samples, frontend.excerpt_frames
    margin = max(0, round((ATTACKED_SECONDS - frontend.excerpt_seconds) / 2 * frontend.frames_per_second))
    first = round(at * frontend.frames_per_second)
    before = min(first, margin)
    first_sample = first * hop
    _cut(samples, first_sample, n_frames * hop, rate)
    part = samples[first_sample - before * hop : first_sample + (n_frames + margin) * hop]
    attack = attack_song(part, AttackedDetector(network, frontend, threshold), settings, domain=domain)
    start = frontend.half_excerpt + before  # skip the silence before the song
    return {
        "clean": attack.clean_log_mel[start : start + n_frames],
        "adversarial": attack.adversarial_log_mel[start : start + n_frames],
        "audio": part,
        "adversarial_audio": part + attack.delta[:, 0] if domain == "waveform" else None,
        "audio_seconds": (first_sample - before * hop) / rate,
        "sample_rate": rate,
        "excerpt_seconds": frontend.excerpt_seconds,
        "frontend": frontend,
    }


def _cut(samples: np.ndarray, start: int, n: int, rate: int) -> np.ndarray:
    part = samples[start : start + n]
    if len(samples) < n:
        raise ConfigError(f"audio: shorter than one excerpt of {n / rate:.2f} s, got {len(samples) / rate:.2f} s. Give more.")
    if len(part) < n:
        latest = (len(samples) - n) / rate
        raise ConfigError(f"at: the excerpt ends after the audio, got {start / rate:.2f} s. Give at most {latest:.2f}.")
    return part
