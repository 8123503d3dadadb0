"""Controls: explanations whose correct answer or chance level is known by construction (stage ``controlled``).

``confined``: attacks that may change only a few segments of an excerpt. ``shortcut``: a detector trained to decide by a tone in
one segment. ``random_weights``: excerpts of the main experiments, explained for an untrained detector and scored against the
flip sets of the trained detector. ``grid_...``: the same excerpts on other grids.

References
----------
J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018 (random weights). L. Arras et al., "CLEVR-XAI", Information
Fusion 2022, and R. Wilming et al., "Theoretical behavior of XAI methods in the presence of suppressor variables", ICML 2023
(planted causes).
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..attacks.excerpts import Excerpts
from ..attacks.settings import AttackSettings
from ..detector.decisions import Flip, flipped, is_sing, probability
from ..detector.shortcut import ShortcutSettings, with_tone
from ..errors import ConfigError
from ..explainers import lime
from ..explainers.evaluate import explain
from ..explainers.lime import LimeSettings
from ..explainers.settings import ALWAYS_EVALUATED, CLEAN, ExplainerSettings
from ..games import scoring, solution_concepts
from ..games.explained import ExplainedModel, GameValues
from ..games.game import fill_game
from ..games.grid import SegmentGrid
from ..games.shifted import ShiftedGrid
from ..jobs.seeds import rng_for, seed_for
from ..jobs.store import array, note
from ..labels import LABELS, SING
from ..songs.settings import FrontEnd, excerpt_windows, mel_filterbank
from .flips import AllSets, Flips
from .perturbation_games import perturbation_games, squared_norms

if TYPE_CHECKING:
    from ..attacks.detector import AttackedDetector
    from ..detector.checkpoints import Checkpoint
    from ..detector.model import Detector

SHORTCUT = "shortcut"
CONTROLS = ("confined", SHORTCUT, "random_weights")  # in addition to other grids
KNOWN_CAUSE = ("confined", SHORTCUT)  # controls with a cause planted in audio; others use the excerpts of the main experiments
GRID, SHIFTED = "grid_", "shifted"
NOSING = LABELS[0]


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """Results of a control for one song: explainers, excerpts with the segments of the cause, and scores."""

    control: str = note("name of the control: confined, shortcut, random_weights, or grid_ followed by a grid")
    explainers: np.ndarray = array("explainer", unit="name", doc="names of the explainers")
    fills: np.ndarray = array(
        "explainer", unit="name", doc="fill of the game of each explainer; clean for the perturbation game"
    )
    privileged: np.ndarray = array("explainer", unit="1", of=bool, doc="whether the explainer has access to the clean excerpt")
    reads_model: np.ndarray = array("explainer", unit="1", of=bool, doc="whether the explainer uses the model")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    n_tried: int = note("number of excerpts in which the cause was planted; without a planted cause, number of excerpts")
    cause: np.ndarray = array(
        "excerpt", "segment", unit="1", of=bool, doc="segments that contain the planted cause; none in controls without one"
    )
    outside: np.ndarray = array(
        "excerpt", unit="ln magnitude", doc="largest change outside the segments of the cause; NaN without a cause"
    )
    recall: np.ndarray = array(
        "explainer",
        "excerpt",
        unit="1",
        doc="share of the n segments with the cause that are among the top n; NaN without a cause",
    )
    aufc_normalised: np.ndarray = array(
        "explainer",
        "excerpt",
        unit="1",
        doc="normalised area under the flip curve: 0 for a random ranking, 1 for the best; "
        "NaN if all rankings tie or not all masks were evaluated",
    )


@dataclass(frozen=True)
class Case:
    """Excerpts of a control, before they are explained.

    Attributes
    ----------
    excerpts : Excerpts
        Clean and adversarial excerpts.
    cause : ndarray of bool, shape (n_excerpts, n_segments)
        Segments in which the cause was planted; all False without a planted cause.
    n_tried : int
        Number of excerpts in which the cause was planted, including those whose label did not flip. Without a planted cause,
        the number of excerpts.
    truth : sequence of ndarray of bool, shape (2**n_segments,), or None
        Whether each mask of the perturbation flips the label, for each excerpt. If None, the default, the explained model
        determines it.
    """

    excerpts: Excerpts
    cause: np.ndarray
    n_tried: int
    truth: Sequence[np.ndarray] | None = None


def stream_of(control: str) -> str:
    """Return the name of a control in random streams; it must not change, because random numbers depend on it."""
    return "cue" if control == SHORTCUT else control


def grid_of(control: str, lime_settings: LimeSettings, n_frames: int, n_mels: int) -> SegmentGrid:
    """Return the grid of a control.

    Parameters
    ----------
    control : str
        Name of the control. Names such as ``grid_4x5`` (time x frequency) and ``grid_shifted`` specify a grid. All other
        controls use the grid of `lime_settings`.
    lime_settings : LimeSettings
        Settings of LIME, including its grid.
    n_frames, n_mels : int
        Shape of an excerpt.

    Returns
    -------
    SegmentGrid
        Grid of the control.
    """
    if not control.startswith(GRID):
        return lime_settings.grid(n_frames, n_mels)
    name = control.removeprefix(GRID)
    if name == SHIFTED:
        return ShiftedGrid(lime_settings.n_time, lime_settings.n_band, n_frames, n_mels)
    n_time, _, n_band = name.partition("x")
    return SegmentGrid(int(n_time), int(n_band), n_frames, n_mels)


def study_case(excerpts: Excerpts, per_direction: int, n_segments: int, flips: Flips | None = None) -> Case:
    """Return the first excerpts of each direction as a case without a planted cause.

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    per_direction : int
        Largest number of excerpts for each direction.
    n_segments : int
        Number of segments of the grid.
    flips : Flips, optional
        Flip sets of the excerpts, used as the truth instead of those of the explained model.

    Returns
    -------
    Case
        The excerpts.

    Raises
    ------
    ConfigError
        If `flips` does not contain all masks.
    """
    numbers, truth = excerpts.first(per_direction), None
    if flips is not None:
        if not isinstance(flips.sets, AllSets):
            raise ConfigError("controls.names: all masks of the detector are required, got random_weights. Leave it out.")
        truth = [flips.sets.flips(e) for e in numbers]
    names = ("start_frame", "original", "clean", "adversarial", "clean_p", "adversarial_p")
    part = replace(excerpts, **{name: getattr(excerpts, name)[numbers] for name in names})
    return Case(part, np.zeros((len(numbers), n_segments), dtype=bool), len(numbers), truth)


def allowed_bins(segments: np.ndarray, grid: SegmentGrid, frontend: FrontEnd) -> np.ndarray:
    """Return the bins of a magnitude spectrogram that affect only the given segments.

    Bins that also contribute to a mel band of an adjacent segment are excluded.

    Parameters
    ----------
    segments : ndarray of bool, shape (n_segments,)
        Segments that may change.
    grid : SegmentGrid
        Segments of the excerpt.
    frontend : FrontEnd
        Settings of the front end.

    Returns
    -------
    ndarray of bool, shape (n_frames, n_bins)
        Whether each magnitude may change.
    """
    contributes = mel_filterbank(frontend) > 0  # (n_bins, n_mels)
    of_bin = np.stack([contributes[:, grid.band_of_mel == band].any(axis=1) for band in range(grid.n_band)])
    alone = of_bin & (of_bin.sum(axis=0) == 1)
    return (segments.reshape(grid.n_time, grid.n_band) @ alone)[grid.time_of_frame]


def confined_case(
    audio: np.ndarray,
    attacked: "AttackedDetector",
    grid: SegmentGrid,
    settings: AttackSettings,
    *,
    n_segments: int,
    candidates: int,
    per_direction: int,
    rng: np.random.Generator,
) -> Case:
    """Attack random excerpts in random segments only, and keep the excerpts whose label flips.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
        Attacked part of the song.
    attacked : AttackedDetector
        Attacked detector with its front end and threshold.
    grid : SegmentGrid
        Segments of an excerpt.
    settings : AttackSettings
        Settings of the attack.
    n_segments : int
        Number of segments that each attack may change.
    candidates : int
        Number of attacked excerpts.
    per_direction : int
        Largest number of excerpts to keep for each direction.
    rng : Generator
        Generator that draws the excerpts and the segments.

    Returns
    -------
    Case
        The excerpts whose label flips, with the attacked segments.

    Raises
    ------
    ConfigError
        If `n_segments` is less than 1 or more than the grid has.
    """
    from ..attacks.excerpt_scope import attack_excerpts, some_starts

    frontend, threshold = attacked.frontend, attacked.threshold
    if not 1 <= n_segments <= grid.n_segments:
        raise ConfigError(f"controls.confined.segments: must be from 1 to {grid.n_segments}, got {n_segments}.")
    starts = some_starts(len(audio), frontend, candidates, rng)
    cause = np.argsort(rng.random((len(starts), grid.n_segments)), axis=1) < n_segments
    if not len(starts):
        return _empty("spectrogram", grid, threshold)
    allowed = np.stack([allowed_bins(segments, grid, frontend) for segments in cause])
    attack = attack_excerpts(audio, starts, attacked, settings, domain="spectrogram", allowed=allowed)
    was_sing = is_sing(probability(attack.clean_logit), threshold)
    flips = flipped(probability(attack.adversarial_logit), threshold, was_sing)
    order = [np.flatnonzero(flips & (was_sing == (label == SING)))[:per_direction] for label in LABELS]
    kept = np.sort(np.concatenate(order))
    pair = attack.clean_log_mel[kept], attack.adversarial_log_mel[kept]
    excerpts = _as_excerpts("spectrogram", starts[kept], np.where(was_sing[kept], SING, NOSING), *pair, threshold)
    return Case(excerpts, cause[kept], len(starts))


def shortcut_case(
    audio: np.ndarray,
    trained: "Checkpoint",
    grid: SegmentGrid,
    shortcut: ShortcutSettings,
    *,
    candidates: int,
    largest: int,
    rng: np.random.Generator,
) -> Case:
    """Add a tone to one segment of random excerpts, and keep those in which it flips the decision to "sing".

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
        Part of the song from which excerpts are drawn.
    trained : Checkpoint
        Detector trained to decide by the tone; see `veracity.detector.shortcut.train_shortcut`.
    grid : SegmentGrid
        Segments of an excerpt.
    shortcut : ShortcutSettings
        Settings of the tone.
    candidates : int
        Number of excerpts to which the tone is added.
    largest : int
        Largest number of excerpts to keep.
    rng : Generator
        Generator that draws the excerpts and the segments.

    Returns
    -------
    Case
        The excerpts whose label flips, with the segment of the tone.
    """
    import torch

    from ..attacks.excerpt_scope import some_starts
    from ..songs.frontend import excerpt_magnitudes, log_mel

    frontend, threshold = trained.detector.frontend, trained.threshold
    assert threshold is not None
    starts = some_starts(len(audio), frontend, candidates, rng)
    if not len(starts):
        return _empty("waveform", grid, threshold)
    times, n = rng.integers(grid.n_time, size=len(starts)), shortcut.n_samples(frontend, n_time=grid.n_time)
    windows = excerpt_windows(audio, starts, frontend)
    middle = np.array([np.flatnonzero(grid.time_of_frame == time).mean() for time in times]) * frontend.hop_samples
    onsets = np.round(middle + frontend.frame_samples / 2 - n / 2).astype(int)
    onsets = np.clip(onsets, 0, windows.shape[1] - n)
    sounding = with_tone(windows, onsets, shortcut, frontend)
    pair = [log_mel(excerpt_magnitudes(x, frontend), frontend) for x in (windows, sounding)]
    network = trained.detector.network()
    with torch.no_grad():
        p = [probability(network.logits(x.to(network.device)).cpu().numpy()) for x in pair]
    flips = np.flatnonzero(~is_sing(p[0], threshold) & is_sing(p[1], threshold))[:largest]
    cause = np.zeros((len(starts), grid.n_segments), dtype=bool)
    cause[np.arange(len(starts)), times * grid.n_band + grid.band_of_mel[shortcut.mel]] = True
    labels = np.full(len(flips), NOSING)
    clean, adversarial = (x.numpy()[flips] for x in pair)
    excerpts = _as_excerpts("waveform", starts[flips], labels, clean, adversarial, threshold)
    return Case(excerpts, cause[flips], len(starts))


def untrained(detector: "Detector", seed: int, song: str) -> "Detector":
    """Return a detector with random weights and the architecture and input standardisation of a given one.

    The weights differ between songs, so that the results do not depend on a single random detector.

    Parameters
    ----------
    detector : Detector
        Trained detector.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the weights are derived.

    Returns
    -------
    Detector
        The untrained detector.
    """
    import torch

    from ..detector.model import Detector

    torch.manual_seed(seed_for(seed, "random weights", song))
    other = Detector(detector.architecture, detector.frontend)
    other.freq_norm = copy.deepcopy(detector.freq_norm)
    return other.eval()


def _as_excerpts(
    domain: str, starts: np.ndarray, original: np.ndarray, clean: np.ndarray, adversarial: np.ndarray, threshold: float
) -> Excerpts:
    return Excerpts(
        domain=domain,
        scope="excerpt",
        model="control",
        threshold=threshold,
        start_seconds=0.0,
        n=np.zeros((1, 2), dtype=np.int64),  # the field `n_tried` of a control counts its excerpts
        n_flipped=np.zeros((1, 2), dtype=np.int64),
        start_frame=starts,
        original=original.astype(str),
        clean=np.ascontiguousarray(clean),
        adversarial=np.ascontiguousarray(adversarial),
        clean_p=np.full(len(starts), np.nan),
        adversarial_p=np.full(len(starts), np.nan),
    )


def _empty(domain: str, grid: SegmentGrid, threshold: float) -> Case:
    nothing = np.zeros((0, grid.n_frames, grid.n_mels), dtype=np.float32)
    excerpts = _as_excerpts(domain, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=str), nothing, nothing, threshold)
    return Case(excerpts, np.zeros((0, grid.n_segments), dtype=bool), 0)


def compute(
    control: str,
    case: Case,
    model: ExplainedModel,
    explainers: Sequence[ExplainerSettings],
    settings: LimeSettings,
    grid: SegmentGrid,
    *,
    seed: int,
    song: str,
) -> Controlled:
    """Explain the excerpts of a control with every explainer, and score the rankings.

    The norm and the paper's LIME are always evaluated. If all masks can be evaluated, so are exact LIME and the Shapley values
    of both games.

    Parameters
    ----------
    control : str
        Name of the control.
    case : Case
        Excerpts of the control.
    model : ExplainedModel
        Explained model.
    explainers : sequence of ExplainerSettings
        Further explainers.
    settings : LimeSettings
        Settings of LIME.
    grid : SegmentGrid
        Segments of the excerpts.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generators are derived.

    Returns
    -------
    Controlled
        Scores of all explainers.

    Raises
    ------
    ConfigError
        If an explainer fails; see `veracity.explainers.evaluate.explain`.
    """
    excerpts = case.excerpts
    evaluated = [*_always_evaluated(model, settings), *map(_evaluated, explainers)]
    rankings: list[list[np.ndarray]] = []  # by excerpt, then by explainer
    areas: list[list[float]] = []
    norms = squared_norms(excerpts, grid) if len(excerpts.original) else np.zeros((0, grid.n_segments))
    games = zip(excerpts.flips, model.values(perturbation_games(excerpts, grid)), strict=True)
    for e, (flip, values) in enumerate(games):
        stream = "control", stream_of(control), excerpts.domain, song, int(excerpts.start_frame[e])
        (filled,) = model.values([fill_game(excerpts.adversarial[e], grid, settings.fill)])
        of_excerpt = list(_always_ranked(flip, norms[e], filled, values, settings, rng_for(seed, *stream)))
        of_excerpt += [
            _ranked(explainer, model, excerpts, e, grid, rng_for(seed, *stream, explainer.name)) for explainer in explainers
        ]
        flips = case.truth[e] if case.truth is not None else None
        if flips is None and values.all_values is not None:
            flips = flip.has_flipped(values.all_values)
        rankings.append(of_excerpt)
        areas.append(_areas(of_excerpt, flips))
    outside = [_outside(excerpts, e, case.cause[e], grid) for e in range(len(excerpts.original))]
    recall = [[_recall(ranking, cause) for ranking in each] for each, cause in zip(rankings, case.cause, strict=True)]
    shape = len(excerpts.original), len(evaluated)
    return Controlled(
        control=control,
        explainers=np.array([each.name for each in evaluated], dtype=str),
        fills=np.array([each.fill for each in evaluated], dtype=str),
        privileged=np.array([each.privileged for each in evaluated], dtype=bool),
        reads_model=np.array([each.reads_model for each in evaluated], dtype=bool),
        original=excerpts.original,
        n_tried=case.n_tried,
        cause=case.cause,
        outside=np.array(outside, dtype=np.float64),
        recall=np.array(recall, dtype=np.float64).reshape(shape).T,
        aufc_normalised=np.array(areas, dtype=np.float64).reshape(shape).T,
    )


@dataclass(frozen=True)
class _Evaluated:
    """Evaluated explainer; see `Controlled` for the fields."""

    name: str
    fill: str
    privileged: bool
    reads_model: bool


def _evaluated(explainer: ExplainerSettings) -> _Evaluated:
    return _Evaluated(explainer.name, explainer.fill, explainer.privileged, explainer.budget != 0)


def _always_evaluated(model: ExplainedModel, settings: LimeSettings) -> list[_Evaluated]:
    """Return the explainers that are always evaluated for this model, in the order of `_always_ranked`."""
    norm, sampled, exact, shapley = ALWAYS_EVALUATED
    evaluated = [_Evaluated(norm, "", True, False), _Evaluated(sampled, settings.fill, False, True)]
    if model.exact:
        evaluated += [_Evaluated(name, settings.fill, False, True) for name in (exact, shapley)]
        evaluated.append(_Evaluated(shapley, CLEAN, True, True))
    return evaluated


def _always_ranked(
    flip: Flip,
    norm: np.ndarray,
    filled: GameValues,
    perturbed: GameValues,
    settings: LimeSettings,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yield the rankings derived from the values of the games: norm, sampled and exact LIME, Shapley values of both games."""
    sampled, exact = lime.fits(filled, settings, rng)
    assert sampled is not None
    weights = [norm, flip.sign * sampled.weights]
    if exact is not None:
        weights.append(flip.sign * exact.weights)
        for values in (filled.all_values, perturbed.all_values):
            assert values is not None
            weights.append(flip.sign * solution_concepts.shapley(values))
    for of_explainer in weights:
        yield np.lexsort((rng.random(len(of_explainer)), -of_explainer))


def _ranked(
    explainer: ExplainerSettings, model: ExplainedModel, excerpts: Excerpts, e: int, grid: SegmentGrid, rng: np.random.Generator
) -> np.ndarray:
    flip = excerpts.flips[e]
    return explain(
        explainer,
        model,
        excerpts.adversarial[e],
        grid,
        flip.label,
        threshold=flip.threshold,
        rng=rng,
        clean=excerpts.clean[e],
    ).ranking


def _areas(rankings: Sequence[np.ndarray], flips: np.ndarray | None) -> list[float]:
    """Return the normalised area under the flip curve of each ranking; NaN if undefined.

    It is undefined if the flips are unknown, the empty set flips, or the full set does not.
    """
    if flips is None or not flips[-1] or flips[0]:
        return [np.nan] * len(rankings)
    truth = scoring.truth_of(flips)
    return [scoring.scores(truth, ranking)["aufc_normalised"] for ranking in rankings]


def _recall(ranking: np.ndarray, cause: np.ndarray) -> float:
    count = int(cause.sum())
    return float(cause[ranking[:count]].mean()) if count else np.nan


def _outside(excerpts: Excerpts, e: int, cause: np.ndarray, grid: SegmentGrid) -> float:
    if not cause.any():
        return np.nan
    difference = np.abs(excerpts.adversarial[e].astype(np.float64) - excerpts.clean[e])
    return float(difference[~cause[grid.segment_map()]].max(initial=0.0))
