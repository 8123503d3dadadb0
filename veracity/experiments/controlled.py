"""Controls: explanations whose right answer, or whose failure, is known by construction (stage ``controlled``).

``confined``: attacks that may change a few segments of an excerpt alone. ``cue``: a detector that was taught to decide by a
tone in one segment. ``random_weights``: the study's own excerpts, explained of a detector that was never trained, and scored
against the truth of the trained one. ``grid_...``: the study's question on other grids.

References
----------
J. Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018 (random weights). L. Arras et al., "CLEVR-XAI", Information
Fusion 2022, and R. Wilming et al., "Theoretical behavior of XAI methods in the presence of suppressor variables", ICML 2023
(planted causes).
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..attacks.excerpts import Excerpts
from ..attacks.settings import AttackSettings
from ..detector.decisions import Flip, flipped, is_sing, probability
from ..detector.planted import CueSettings, with_cue
from ..errors import ConfigError
from ..explainers import lime
from ..explainers.asking import explain
from ..explainers.lime import LimeSettings
from ..explainers.settings import CLEAN, IN_ANY_CASE, ExplainerSettings
from ..games import readouts, scoring
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
    from ..detector.checkpoints import Checkpoint
    from ..detector.model import Detector

CONTROLS = ("confined", "cue", "random_weights")  # beside other grids
PLANTED = ("confined", "cue")  # a cause in audio; the others take the study's own excerpts
GRID, SHIFTED = "grid_", "shifted"
NOSING = LABELS[0]


@dataclass(frozen=True, kw_only=True)
class Controlled:
    """What explainers answer about the excerpts of one song in a control, and how well."""

    control: str = note("confined, cue, random_weights, or grid_ and a grid")
    explainers: np.ndarray = array("explainer", unit="name", doc="who was asked")
    fills: np.ndarray = array("explainer", unit="name", doc="of the game that each was asked about; clean: the perturbation")
    privileged: np.ndarray = array("explainer", unit="1", of=bool, doc="may it see the clean excerpt?")
    reads_model: np.ndarray = array("explainer", unit="1", of=bool, doc="does it read the model?")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    n_tried: int = note("excerpts in which the cause was planted; of the study's own as many as there are here")
    planted: np.ndarray = array(
        "excerpt", "segment", unit="1", of=bool, doc="where the cause was planted; nowhere where the control plants none"
    )
    outside: np.ndarray = array("excerpt", unit="ln magnitude", doc="largest difference outside of these segments")
    recall: np.ndarray = array(
        "explainer", "excerpt", unit="1", doc="share of the planted segments among as many first; NaN where none is planted"
    )
    aufc_normalised: np.ndarray = array(
        "explainer", "excerpt", unit="1", doc="area under the flip curve, 0 a random ranking, 1 the best; NaN where all agree"
    )


@dataclass(frozen=True)
class Case:
    """Excerpts with a known cause, before anybody is asked.

    Attributes
    ----------
    excerpts : Excerpts
    planted : ndarray of bool, shape (n_excerpts, n_segments)
    n_tried : int
    truth : sequence of ndarray of bool, shape (2**n_segments,), or None
        Whether each mask of the perturbation flips each excerpt; None: what the explained model says.
    """

    excerpts: Excerpts
    planted: np.ndarray
    n_tried: int
    truth: Sequence[np.ndarray] | None = None


class Asked(NamedTuple):
    """Who is asked, and about which game."""

    name: str
    fill: str
    privileged: bool
    reads_model: bool


def grid_of(control: str, lime_settings: LimeSettings, n_frames: int, n_mels: int) -> SegmentGrid:
    """Return the grid of a control: the study's, or that in its name (``grid_4x5``, ``grid_shifted``)."""
    if not control.startswith(GRID):
        return lime_settings.grid(n_frames, n_mels)
    name = control.removeprefix(GRID)
    if name == SHIFTED:
        return ShiftedGrid(lime_settings.n_time, lime_settings.n_band, n_frames, n_mels)
    n_time, _, n_band = name.partition("x")
    return SegmentGrid(int(n_time), int(n_band), n_frames, n_mels)


def chosen(excerpts: Excerpts, per_direction: int, n_segments: int, flips: Flips | None = None) -> Case:
    """Return the first of the study's own excerpts of each direction as a case in which nothing is planted.

    Parameters
    ----------
    excerpts : Excerpts
    per_direction : int
    n_segments : int
    flips : Flips, optional
        Of the excerpts, to tell the truth instead of the explained model.

    Raises
    ------
    ConfigError
        When these flips are not known for all masks.
    """
    numbers, truth = excerpts.first(per_direction), None
    if flips is not None:
        if not isinstance(flips.sets, AllSets):
            raise ConfigError("the control random_weights needs all masks of the detector: leave it out of controls.names")
        truth = [flips.sets.flips(e) for e in numbers]
    names = ("start_frame", "original", "clean", "adversarial", "clean_p", "adversarial_p")
    part = replace(excerpts, **{name: getattr(excerpts, name)[numbers] for name in names})
    return Case(part, np.zeros((len(numbers), n_segments), dtype=bool), len(numbers), truth)


def allowed_bins(segments: np.ndarray, grid: SegmentGrid, frontend: FrontEnd) -> np.ndarray:
    """Return the bins of a magnitude spectrogram that are heard in some segments alone.

    Bins that a neighbouring segment's lowest or highest mel band hears, too, are left out.

    Parameters
    ----------
    segments : ndarray of bool, shape (n_segments,)
    grid : SegmentGrid
    frontend : FrontEnd

    Returns
    -------
    ndarray of bool, shape (n_frames, n_bins)
    """
    heard = mel_filterbank(frontend) > 0  # (n_bins, n_mels)
    of_bin = np.stack([heard[:, grid.band_of_mel == band].any(axis=1) for band in range(grid.n_band)])
    alone = of_bin & (of_bin.sum(axis=0) == 1)
    return (segments.reshape(grid.n_time, grid.n_band) @ alone)[grid.time_of_frame]


def confined(
    audio: np.ndarray,
    detector: "Detector",
    grid: SegmentGrid,
    settings: AttackSettings,
    *,
    n_segments: int,
    candidates: int,
    per_direction: int,
    threshold: float,
    seed: int,
    song: str,
) -> Case:
    """Attack random excerpts within random segments, and keep those that flip.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
    detector : Detector
    grid : SegmentGrid
    settings : AttackSettings
    n_segments : int
        In which each attack may change anything.
    candidates : int
        Excerpts that are attacked.
    per_direction : int
        Of those that flip, so many at most.
    threshold : float
    seed : int
    song : str
        Names the random numbers.
    """
    from ..attacks.excerpt_scope import attack_excerpts, some_starts

    frontend, rng = detector.frontend, rng_for(seed, "confined", song)
    if not 1 <= n_segments <= grid.n_segments:
        raise ConfigError(f"controls.confined.segments {n_segments} is none of 1 to {grid.n_segments}: change it")
    starts = some_starts(len(audio), frontend, candidates, rng)
    planted = np.argsort(rng.random((len(starts), grid.n_segments)), axis=1) < n_segments
    if not len(starts):
        return _empty("spectrogram", grid, threshold)
    allowed = np.stack([allowed_bins(one, grid, frontend) for one in planted])
    found = attack_excerpts(
        audio, starts, detector, frontend, settings, domain="spectrogram", threshold=threshold, allowed=allowed
    )
    was_sing = is_sing(probability(found.clean_logit), threshold)
    flips = flipped(probability(found.adversarial_logit), threshold, was_sing)
    order = [np.flatnonzero(flips & (was_sing == (label == SING)))[:per_direction] for label in LABELS]
    kept = np.sort(np.concatenate(order))
    pair = found.clean_log_mel[kept], found.adversarial_log_mel[kept]
    excerpts = _as_excerpts("spectrogram", starts[kept], np.where(was_sing[kept], SING, NOSING), *pair, threshold)
    return Case(excerpts, planted[kept], len(starts))


def with_planted_cue(
    audio: np.ndarray,
    planted: "Checkpoint",
    grid: SegmentGrid,
    cue: CueSettings,
    *,
    candidates: int,
    kept: int,
    seed: int,
    song: str,
) -> Case:
    """Add the tone to one segment of random excerpts, and keep those in which the planted detector hears it, and it alone.

    Parameters
    ----------
    audio : ndarray, shape (n_samples,), float32
    planted : Checkpoint
        Of `veracity.detector.planted.plant`.
    grid : SegmentGrid
    cue : CueSettings
    candidates, kept : int
        Excerpts that are tried, and that are kept at most of those that flip.
    seed : int
    song : str
        Names the random numbers.
    """
    import torch

    from ..attacks.excerpt_scope import some_starts
    from ..songs.frontend import excerpt_magnitudes, log_mel

    frontend, rng = planted.detector.frontend, rng_for(seed, "cue", song)
    assert planted.threshold is not None
    starts = some_starts(len(audio), frontend, candidates, rng)
    if not len(starts):
        return _empty("waveform", grid, planted.threshold)
    times, n = rng.integers(grid.n_time, size=len(starts)), cue.n_samples(frontend, n_time=grid.n_time)
    windows = excerpt_windows(audio, starts, frontend)
    middle = np.array([np.flatnonzero(grid.time_of_frame == time).mean() for time in times]) * frontend.hop_samples
    onsets = np.round(middle + frontend.frame_samples / 2 - n / 2).astype(int)
    onsets = np.clip(onsets, 0, windows.shape[1] - n)
    pair = [log_mel(excerpt_magnitudes(x, frontend), frontend) for x in (windows, with_cue(windows, onsets, cue, frontend))]
    network = planted.detector.network()
    with torch.no_grad():
        p = [probability(network.logits(x.to(network.device)).cpu().numpy()) for x in pair]
    flips = np.flatnonzero(~is_sing(p[0], planted.threshold) & is_sing(p[1], planted.threshold))[:kept]
    segments = np.zeros((len(starts), grid.n_segments), dtype=bool)
    segments[np.arange(len(starts)), times * grid.n_band + grid.band_of_mel[cue.mel]] = True
    labels = np.full(len(flips), NOSING)
    clean, adversarial = (x.numpy()[flips] for x in pair)
    excerpts = _as_excerpts("waveform", starts[flips], labels, clean, adversarial, planted.threshold)
    return Case(excerpts, segments[flips], len(starts))


def untrained(detector: "Detector", seed: int, song: str) -> "Detector":
    """Return a detector with random weights, others for each song, so that songs are not judged by the whims of one.

    Its architecture and the standardisation of what it is fed stay.
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
        n=np.zeros((1, 2), dtype=np.int64),  # a control counts its own
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
    """Ask every explainer about the excerpts of a control, and score its answers.

    The paper's LIME, exact LIME, Shapley values of both games and the norm are asked in any case, where all masks are known.

    Parameters
    ----------
    control : str
    case : Case
    model : ExplainedModel
        Which is explained.
    explainers : sequence of ExplainerSettings
    settings : LimeSettings
    grid : SegmentGrid
    seed : int
    song : str
        Names the random numbers.
    """
    excerpts, n = case.excerpts, grid.n_segments
    in_any_case = _in_any_case(model, settings)
    who = [*in_any_case, *(_named(one) for one in explainers)]
    rankings: dict[Asked, list[np.ndarray]] = {one: [] for one in who}
    area: list[list[float]] = []
    norms = squared_norms(excerpts, grid) if len(excerpts.original) else np.zeros((0, n))
    games = zip(excerpts.flips, model.values(perturbation_games(excerpts, grid)), strict=True)
    for e, (flip, values) in enumerate(games):
        names = "control", control, excerpts.domain, song, int(excerpts.start_frame[e])
        flips = case.truth[e] if case.truth is not None else None
        if flips is None and values.all_values is not None:
            flips = flip.has_flipped(values.all_values)
        (filled,) = model.values([fill_game(excerpts.adversarial[e], grid, settings.fill)])
        read_off = _read_off(flip, norms[e], filled, values, settings, rng_for(seed, *names))
        given = list(zip(in_any_case, read_off, strict=True))
        for one in explainers:
            answer = explain(
                one,
                model,
                excerpts.adversarial[e],
                grid,
                flip.label,
                threshold=flip.threshold,
                rng=rng_for(seed, *names, one.name),
                clean=excerpts.clean[e],
            )
            given.append((_named(one), answer.ranking))
        for asked, ranking in given:
            rankings[asked].append(ranking)
        scored = scoring.truth_of(flips) if flips is not None and flips[-1] and not flips[0] else None
        area.append([scoring.scores(scored, r)["aufc_normalised"] if scored else np.nan for _, r in given])
    outside = [_outside(excerpts, e, case.planted[e], grid) for e in range(len(excerpts.original))]
    recall = [[_recall(r, p) for r, p in zip(rankings[one], case.planted, strict=True)] for one in who]
    shape = len(who), len(excerpts.original)
    return Controlled(
        control=control,
        explainers=np.array([one.name for one in who], dtype=str),
        fills=np.array([one.fill for one in who], dtype=str),
        privileged=np.array([one.privileged for one in who], dtype=bool),
        reads_model=np.array([one.reads_model for one in who], dtype=bool),
        original=excerpts.original,
        n_tried=case.n_tried,
        planted=case.planted,
        outside=np.array(outside, dtype=np.float64),
        recall=np.array(recall, dtype=np.float64).reshape(shape),
        aufc_normalised=np.array(area, dtype=np.float64).reshape(shape[::-1]).T,
    )


def _named(one: ExplainerSettings) -> Asked:
    return Asked(one.name, one.fill, one.privileged, one.budget != 0)


def _in_any_case(model: ExplainedModel, settings: LimeSettings) -> list[Asked]:
    """Return who is asked in any case, as far as the model's masks allow, in the order of `_read_off`."""
    norm, sampled, exact, shapley = IN_ANY_CASE
    found = [Asked(norm, "", True, False), Asked(sampled, settings.fill, False, True)]
    if model.exact:
        found += [Asked(name, settings.fill, False, True) for name in (exact, shapley)]
        found.append(Asked(shapley, CLEAN, True, True))
    return found


def _read_off(
    flip: Flip,
    norm: np.ndarray,
    filled: GameValues,
    perturbed: GameValues,
    settings: LimeSettings,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Yield the rankings that follow from a game's values: norm, sampled and exact LIME, Shapley values of both games."""
    sampled, exact = lime.fits(filled, settings, rng)
    assert sampled is not None
    found = [norm, flip.sign * sampled.weights]
    if exact is not None:
        found.append(flip.sign * exact.weights)
        for values in (filled.all_values, perturbed.all_values):
            assert values is not None
            found.append(flip.sign * readouts.shapley(values))
    for weights in found:
        yield np.lexsort((rng.random(len(weights)), -weights))


def _recall(ranking: np.ndarray, planted: np.ndarray) -> float:
    count = int(planted.sum())
    return float(planted[ranking[:count]].mean()) if count else np.nan


def _outside(excerpts: Excerpts, e: int, planted: np.ndarray, grid: SegmentGrid) -> float:
    if not planted.any():
        return np.nan
    difference = np.abs(excerpts.adversarial[e].astype(np.float64) - excerpts.clean[e])
    return float(difference[~planted[grid.segment_map()]].max(initial=0.0))
