"""One call from a song and a detector to all that is known of one excerpt, and its pictures and sounds: for notebooks.

`example` makes a song and a detector where none are at hand; `explain` attacks a few seconds of a song and tells which segments
of the perturbation turn the decision round, in truth and as LIME sees it. Everything is told of one *label*: weights above zero
speak for it, whichever of the two it is.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .attacks.settings import PAPER, AttackSettings, Domain
from .detector.decisions import flipped, is_sing, probability
from .errors import ConfigError, within
from .experiments.perturbation_games import mask_index
from .explainers import lime
from .games import readouts
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
    from .games.explained import ExplainedModel
    from .songs.settings import FrontEnd

    Audio = str | os.PathLike | np.ndarray | Tensor

ATTACKED_SECONDS = 3.0
EXAMPLE_UPDATES, EXAMPLE_BATCH = 480, 8  # a minute or so on two cores
HALF = 0.5  # the threshold of a detector that has none of its own


@dataclass(frozen=True)
class Explained:
    """An adversarial excerpt, and what turned its label round.

    Attributes
    ----------
    label : {"sing", "nosing"}
        The label that is explained; values and weights are those of this label.
    called : str
        What "sing" is called.
    seconds : float
        Where the excerpt begins in the song; `p_sing` tells of excerpts by their centre, half of `excerpt_seconds` later.
    audio, adversarial_audio : ndarray, shape (n_samples,), float32
        The attacked part of the song, before and after. Of an attack on the representation the latter is None.
    audio_seconds : float
        Where that part begins in the song.
    sample_rate : int
    excerpt_seconds : float
    clean, adversarial : ndarray, shape (n_frames, n_bands)
        The excerpt as the model represents it.
    p_clean, p_adversarial : float
        Probability of "sing".
    threshold : float
        The decision is "sing" above it.
    grid : SegmentGrid
        Segment ``time * grid.n_band + band``, the lowest band first; see `place`.
    values : ndarray, shape (2**n_segments,)
        Probability of the label for all masks of the adversarial excerpt, absent segments filled.
    flips : ndarray of bool, shape (2**n_segments,)
        Which segments of the perturbation, added to the clean excerpt, turn the decision round: the truth.
    lime, lime_exact, shapley : ndarray, shape (n_segments,)
        Weights of the segments for the label, from 8192 samples and from all masks.
    fidelity, fidelity_exact : float
        Weighted R^2 of LIME's surrogates.
    frontend : FrontEnd or None
        Of the detector; None for a classifier of one's own.
    """

    label: Label
    called: str
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

    @property
    def before(self) -> str:
        """The decision on the clean excerpt, in words."""
        return title(label_of(bool(is_sing(self.p_clean, self.threshold))), self.called)

    @property
    def after(self) -> str:
        """The decision on the adversarial excerpt, in words."""
        return title(label_of(bool(is_sing(self.p_adversarial, self.threshold))), self.called)

    @property
    def smallest_sets(self) -> list[tuple[int, ...]]:
        """The smallest sets of segments of the perturbation that turn the decision round; none where nothing does."""
        masks = masks_of(readouts.smallest_flip_sets(self.flips), self.grid.n_segments)
        return [tuple(np.flatnonzero(mask).tolist()) for mask in masks]

    def flip(self, segments: Iterable[int]) -> bool:
        """Tell whether these segments of the perturbation alone turn the decision round."""
        chosen = list(segments)
        for one in chosen:
            self._checked(one)
        return bool(self.flips[mask_index(np.unique(np.array(chosen, dtype=np.int64)))])

    def place(self, segment: int) -> str:
        """Return where a segment lies, in seconds of the song and bands of the representation."""
        time, band = divmod(self._checked(segment), self.grid.n_band)
        frames = np.flatnonzero(self.grid.time_of_frame == time)[[0, -1]] + [0, 1]
        first, last = self.seconds + frames / self.grid.n_frames * self.excerpt_seconds
        low, high = np.flatnonzero(self.grid.band_of_mel == band)[[0, -1]]
        return f"{first:.2f}-{last:.2f} s, bands {low}-{high} of {self.grid.n_mels}"

    def sound(self, segments: Iterable[int]) -> np.ndarray:
        """Return the attacked part of the song with these segments of the perturbation alone, shape as `audio`, float32.

        It is put together from the frames and bins of both versions, with their phases. What the detector says of the sound may
        differ a little from `flip`, which mixes what the detector sees.

        Raises
        ------
        ConfigError
            Of an attack on the representation, or of a classifier of one's own, whose segments need not be parts of a sound.
        """
        from .songs.resynthesis import confined

        if self.frontend is None or self.adversarial_audio is None:
            raise ConfigError("only a waveform attack on a detector has segments that can be heard")
        chosen = np.isin(self.grid.segment_map(), [self._checked(one) for one in segments])
        first = round((self.seconds - self.audio_seconds) * self.frontend.frames_per_second)
        return confined(self.audio, self.adversarial_audio, chosen, self.frontend, first_frame=first)

    @property
    def snr_db(self) -> float:
        """Energy of the attacked part over that of the perturbation, dB; NaN of an attack on the representation."""
        if self.adversarial_audio is None:
            return math.nan
        energy, noise = (float((x.astype(np.float64) ** 2).sum()) for x in (self.audio, self.adversarial_audio - self.audio))
        return 10 * math.log10(energy / noise) if energy and noise else math.inf

    def _checked(self, segment: int) -> int:
        within(segment, 0, self.grid.n_segments - 1, "a segment", whole=True)
        return int(segment)

    def top(self, k: int = 3, by: str = "lime") -> tuple[int, ...]:
        """Return the k segments of largest weight for the label, by "lime", "lime_exact" or "shapley"."""
        if by not in ("lime", "lime_exact", "shapley"):
            raise ConfigError(f"by is {by!r}: choose lime, lime_exact or shapley")
        within(k, 1, self.grid.n_segments, "k", whole=True)
        return tuple(lime.ranking(getattr(self, by), "sing")[:k].tolist())  # weights speak for the label already

    def __str__(self) -> str:
        sets = self.smallest_sets
        found = (
            f"{len(sets)} smallest sets of {len(sets[0])} segments flip it" if sets else "no part of the perturbation flips it"
        )
        return (
            f"“{self.before}” ({self.p_clean:.3f}) → “{self.after}” ({self.p_adversarial:.3f}), "
            f"threshold {self.threshold:.2f}\n"
            f"{found}\nLIME's first three for “{title(self.label, self.called)}” {self.top()} "
            f"{'do' if self.flip(self.top()) else 'do not'}"
        )


def explain(
    audio: Audio,
    detector: str | os.PathLike | Checkpoint | OneLabel,
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
    """Attack three seconds of a song and explain one excerpt of them (paper sections 4.3, 4.4 and 5.2).

    Parameters
    ----------
    audio : path-like, ndarray or Tensor
        A file, or samples at the detector's sampling rate (the paper's: 22 050 Hz), shape (n_samples,).
    detector : path-like, Checkpoint or OneLabel
        A checkpoint, or a classifier of one's own (then one excerpt is attacked, not three seconds).
    at : float
        Where the excerpt begins, seconds; its centre, by which `p_sing` tells of it, lies half an excerpt later.
    threshold : float, optional
        "sing" is P(sing) above it. By default the checkpoint's own; where it has none, 0.5, with a warning.
    label : {"sing", "nosing"}, optional
        The label that is explained; by default the decision on the adversarial excerpt.
    domain : {"waveform", "spectrogram"}
    attack : AttackSettings, optional
        The paper's for the domain, with 200 updates, by default.
    fill : {"mean", "zero", "min"}
        What absent segments hold.
    n_time, n_band : int
        Segments along time and frequency.
    n_samples : int
        Of sampled LIME.
    seed : int

    Returns
    -------
    Explained

    Raises
    ------
    ConfigError
        When `at` lies too near to the song's end, or not all masks of the model can be evaluated.

    Notes
    -----
    ``docs/tour.py`` uses it.
    """
    if label not in (None, *LABELS):
        raise ConfigError(f"label is {label!r}: choose sing or nosing")
    settings = attack or replace(PAPER[domain], max_updates=200)
    part, model, threshold, called = _attacked(audio, detector, at, domain, settings, threshold)
    grid = SegmentGrid(n_time, n_band, *part["clean"].shape)
    explained = model(grid)
    if not explained.exact:
        raise ConfigError(f"{grid.n_segments} segments have too many masks: {explained.evaluator.reason}; use at most 12")
    p_clean, p_adversarial = explained.p_sing(np.stack([part["clean"], part["adversarial"]]))
    of = label or label_of(bool(is_sing(p_adversarial, threshold)))
    games = [fill_game(part["adversarial"], grid, fill), Game(part["adversarial"], part["clean"], grid)]
    filled, perturbed = explained.values(games)
    assert filled.all_values is not None
    assert perturbed.all_values is not None
    asked = lime.LimeSettings(n_time=n_time, n_band=n_band, n_samples=n_samples)
    sampled, exact = lime.fits(filled, asked, rng_for(seed, "notebook"))
    assert sampled is not None
    assert exact is not None
    sign = towards(of)
    return Explained(
        label=of,
        called=called,
        seconds=at,
        **part,
        p_clean=float(p_clean),
        p_adversarial=float(p_adversarial),
        threshold=threshold,
        grid=grid,
        values=filled.all_values if of == SING else 1 - filled.all_values,
        flips=flipped(perturbed.all_values, threshold, is_sing(p_clean, threshold)),
        lime=sign * sampled.weights,
        lime_exact=sign * exact.weights,
        shapley=sign * readouts.shapley(filled.all_values),
        fidelity=sampled.fidelity,
        fidelity_exact=exact.fidelity,
    )


def p_sing(audio: Audio, detector: str | os.PathLike | Checkpoint) -> tuple[np.ndarray, np.ndarray]:
    """Predict P(sing) along a song.

    Parameters
    ----------
    audio : path-like, ndarray or Tensor
        A file, or samples at the detector's sampling rate, shape (n_samples,).
    detector : path-like or Checkpoint

    Returns
    -------
    seconds, p_sing : ndarray, shape (n_frames,)
        The centre of each excerpt, and P(sing) of it.
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


def example(folder: str | os.PathLike = "results/example", *, seed: int = 0) -> tuple[Path, Path]:
    """Make a song and a detector, where none are at hand: synthetic both, and quickly trained; a minute or two on two cores.

    What is there already of the same settings is used again. Nobody sings in the song: its results say nothing about music.

    Parameters
    ----------
    folder : path-like
    seed : int

    Returns
    -------
    song, checkpoint : Path
    """
    import torch

    from .detector.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
    from .detector.evaluation import smooth, tune_threshold
    from .detector.settings import Architecture, TrainingSettings
    from .detector.training import train
    from .detector.training_data import TrainingData
    from .songs.corpus import read_corpus
    from .songs.frontend import FrontEnd
    from .songs.spectrograms import compute_spectrogram
    from .songs.synthesis import SynthesisSettings, write_corpus

    corpus, checkpoint = Path(folder, "corpus"), Path(folder, "detector.pt")
    song = corpus / "audio" / "synthetic-test-01.flac"
    size = SynthesisSettings(n_train=24, n_valid=6, n_test=1, seconds=20)
    training = TrainingSettings(
        n_updates=EXAMPLE_UPDATES,
        batch=EXAMPLE_BATCH,
        decay_every=max(1, EXAMPLE_UPDATES // 6),
        stretch=0.1,
        shift=0.1,
    )
    settings = {"seed": seed, "corpus": asdict(size), "training": asdict(training)}
    if checkpoint.is_file() and song.is_file() and load_checkpoint(checkpoint).settings == settings:
        return song, checkpoint
    write_corpus(corpus, size, seed=seed)
    songs = read_corpus(corpus)
    spectrograms = [compute_spectrogram(one, FrontEnd()) for one in songs]
    labelled = [(s.magnitude, s.is_sing) for s in spectrograms if s.split == "train" and s.is_sing is not None]
    data = TrainingData(labelled, FrontEnd(), training)
    detector, _ = train(data, Architecture(), seed=seed, device=torch.device("cpu"))
    trained = Checkpoint(detector.eval())
    valid = [
        (one.audio, s.is_sing)
        for one, s in zip(songs, spectrograms, strict=True)
        if s.split == "valid" and s.is_sing is not None
    ]
    p = np.concatenate([smooth(p_sing(audio, trained)[1], frames=57) for audio, _ in valid])
    threshold = tune_threshold(p, np.concatenate([is_sing for _, is_sing in valid]))
    save_checkpoint(checkpoint, replace(trained, threshold=threshold, settings=settings))
    return song, checkpoint


def plot(explained: Explained, k: int = 3) -> Figure:
    """Show the excerpt before and after, and segments: LIME's first k, and the smallest set that turns the decision round."""
    from .results.canvas import new_figure
    from .results.segments import plot_segments

    figure, axes = new_figure(1, 4, (10.0, 2.8), sharex=True, sharey=True)
    sets = explained.smallest_sets
    magnitudes = [np.log(np.abs(x) + 1e-7) if np.iscomplexobj(x) else x for x in (explained.clean, explained.adversarial)]
    low, high = np.percentile(magnitudes, 2), np.max(magnitudes)
    shown = [
        (f"“{explained.before}”, {explained.p_clean:.2f}", magnitudes[0], None),
        (f"“{explained.after}”, {explained.p_adversarial:.2f}", magnitudes[1], None),
        (f"LIME's first {k}", magnitudes[1], explained.top(k)),
        ("a smallest set that flips", magnitudes[1], sets[0] if sets else ()),
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
    from .songs.audio import load_audio, one_channel

    if isinstance(audio, str | os.PathLike):
        return load_audio(audio, sample_rate=sample_rate)
    return one_channel(audio)


def _attacked(
    audio: Audio,
    detector: str | os.PathLike | Checkpoint | OneLabel,
    at: float,
    domain: Domain,
    settings: AttackSettings,
    threshold: float | None,
) -> tuple[dict[str, Any], Callable[[SegmentGrid], ExplainedModel], float, str]:
    """Attack the surroundings of an excerpt; return what it was and is, the model on a grid, its threshold and its label."""
    from .classifiers.protocol import OneLabel
    from .games.models import explained_classifier

    within(at, 0, 1e6, "at")
    if isinstance(detector, OneLabel):
        if threshold is not None:
            raise ConfigError("the threshold of a classifier is that of its OneLabel: leave threshold out")
        from .attacks.windows import attack_windows

        rate, size = detector.classifier.sample_rate, detector.classifier.excerpt_samples
        part = _cut(_samples(audio, rate), round(at * rate), size, rate)
        name = type(detector.classifier).__name__
        one = attack_windows(part, detector, settings, name=name, domain=domain, scope="excerpt", hop_seconds=1.0)
        found = {"clean": one.clean[0], "adversarial": one.adversarial[0]}
        after = part + one.delta[0, :, 0] if domain == "waveform" else None
        heard = {"audio": part, "adversarial_audio": after, "audio_seconds": at}
        heard |= {"sample_rate": rate, "excerpt_seconds": size / rate}
        return found | heard, lambda grid: explained_classifier(detector, grid), detector.decision, detector.label
    return _attacked_song(audio, _checkpoint(detector), at, domain, settings, threshold)


def _attacked_song(
    audio: Audio, checkpoint: Checkpoint, at: float, domain: Domain, settings: AttackSettings, threshold: float | None
) -> tuple[dict[str, Any], Callable[[SegmentGrid], ExplainedModel], float, str]:
    from .attacks.song_scope import attack_song
    from .games.models import explained_model

    network, frontend = checkpoint.detector.network(), checkpoint.detector.frontend
    threshold = checkpoint.threshold if threshold is None else threshold
    if threshold is None:
        warnings.warn(f"the checkpoint has no threshold, {HALF} is taken: give threshold=", stacklevel=4)
        threshold = HALF
    samples, rate, hop = _samples(audio, frontend.sample_rate), frontend.sample_rate, frontend.hop_samples
    n_frames = frontend.excerpt_frames
    margin = max(0, round((ATTACKED_SECONDS - frontend.excerpt_seconds) / 2 * frontend.frames_per_second))
    first = round(at * frontend.frames_per_second)
    before = min(first, margin)
    first_sample = first * hop
    _cut(samples, first_sample, n_frames * hop, rate)
    part = samples[first_sample - before * hop : first_sample + (n_frames + margin) * hop]
    attacked = attack_song(part, network, frontend, settings, domain=domain, threshold=threshold)
    start = frontend.half_excerpt + before  # behind the silence before the song
    found = {
        "clean": attacked.clean_log_mel[start : start + n_frames],
        "adversarial": attacked.adversarial_log_mel[start : start + n_frames],
    }
    after = part + attacked.delta[:, 0] if domain == "waveform" else None
    heard = {"audio": part, "adversarial_audio": after, "audio_seconds": (first_sample - before * hop) / rate}
    heard |= {"sample_rate": rate, "excerpt_seconds": frontend.excerpt_seconds, "frontend": frontend}
    return found | heard, lambda grid: explained_model(network, grid), threshold, SING


def _cut(samples: np.ndarray, start: int, n: int, rate: int) -> np.ndarray:
    part = samples[start : start + n]
    if len(part) < n:
        latest = max(0, (len(samples) - n) / rate)
        raise ConfigError(f"an excerpt that begins there does not fit: choose `at` of at most {latest:.2f} s")
    return part
