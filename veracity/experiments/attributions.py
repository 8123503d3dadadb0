"""Attributions of an explainer for the adversarial excerpts of a song, and the flips of its ranking (``attributions``)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..attacks.excerpts import Excerpts
from ..errors import ConfigError
from ..explainers.evaluate import Attribution, checked_weights, explain
from ..explainers.settings import ExplainerSettings, stored_file
from ..games.explained import ExplainedModel
from ..games.grid import SegmentGrid, masks_of
from ..jobs.progress import Progress
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from .perturbation_games import check_same_model, first_masks, mask_index, norm_ranking, perturbation_games, squared_norms


@dataclass(frozen=True, kw_only=True)
class Attributions:
    """Weights of one explainer for the segments of adversarial excerpts, and the flips by its ranking.

    Weights are signed so that larger means more evidence for the explained label, which is that of the adversarial excerpt.
    """

    explainer: str = note("name of the explainer")
    fill: str = note("content of switched-off segments; clean: the perturbation game; empty for stored attributions")
    privileged: bool = note("whether the explainer has access to the clean excerpt")
    signed: bool = note("whether a positive weight means evidence for the label")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    weights: np.ndarray = array(
        "excerpt", "segment", unit="the explainer's", doc="weight of each segment; larger means more evidence for the label"
    )
    ranking: np.ndarray = array(
        "excerpt", "rank", unit="segment", of=int, doc="segments in order of decreasing weight, ties in random order"
    )
    n_queries: np.ndarray = array(
        "excerpt", unit="queries", of=int, doc="number of model queries of the explainer, forward and backward"
    )
    flips: np.ndarray = array("excerpt", "k", unit="1", of=bool, doc="whether the top 1, 2, ... segments flip the label")
    n_positive: np.ndarray = array("excerpt", unit="segments", of=int, doc="number of segments with positive weight")
    positive_flips: np.ndarray = array(
        "excerpt", unit="1", of=bool, doc="whether all segments with positive weight together flip the label"
    )
    positive_by_norm: np.ndarray = array(
        "excerpt", unit="1", of=bool, doc="whether the n_positive segments of largest norm flip the label"
    )
    noted_names: np.ndarray = array("noted", unit="name", doc="names of the diagnostics that the explainer recorded")
    noted: np.ndarray = array("excerpt", "noted", unit="the explainer's", doc="values of the diagnostics, NaN if missing")


def compute(
    excerpts: Excerpts,
    model: ExplainedModel,
    explainer: ExplainerSettings,
    grid: SegmentGrid,
    *,
    seed: int,
    domain: str,
    song: str,
) -> Attributions:
    """Explain each adversarial excerpt, and add the top segments of its perturbation to the clean excerpt (section 5.2).

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    model : ExplainedModel
        Explained model.
    explainer : ExplainerSettings
        Settings of the explainer.
    grid : SegmentGrid
        Segments of the excerpts.
    seed : int
        Seed of the run.
    domain, song : str
        Attack and song, from which the random generators and the path of stored attributions are derived.

    Returns
    -------
    Attributions
        Weights, rankings and flips.

    Raises
    ------
    ConfigError
        If the explainer fails (see `veracity.explainers.evaluate.explain`), the model has changed, or stored attributions are
        missing or do not belong to the excerpts.
    """
    check_same_model(excerpts, model)
    n, n_excerpts = grid.n_segments, len(excerpts.original)
    by_norm = norm_ranking(squared_norms(excerpts, grid))
    answers = list(_answers(excerpts, model, explainer, grid, seed=seed, domain=domain, song=song))
    flips = np.zeros((n_excerpts, n), dtype=bool)
    positive = np.zeros((n_excerpts, 2), dtype=bool)
    games = zip(answers, excerpts.flips, perturbation_games(excerpts, grid), strict=True)
    for e, (answer, flip, game) in enumerate(games):
        in_favour = answer.weights > 0
        as_many = masks_of(np.array([mask_index(by_norm[e][: in_favour.sum()])]), n)
        masks = np.concatenate([first_masks(answer.ranking), in_favour[None], as_many])
        flipped = flip.has_flipped(next(model.evaluator.probabilities([game], masks)))
        flips[e], positive[e] = flipped[:n], flipped[n:]
    names = list(dict.fromkeys(name for answer in answers for name in answer.noted))
    return Attributions(
        explainer=explainer.name,
        fill="" if explainer.stored else explainer.fill,
        privileged=explainer.privileged,
        signed=explainer.signed,
        original=excerpts.original,
        weights=_stacked([answer.weights for answer in answers], n),
        ranking=_stacked([answer.ranking for answer in answers], n).astype(np.int64),
        n_queries=np.array([answer.n_queries for answer in answers], dtype=np.int64),
        flips=flips,
        n_positive=np.array([(answer.weights > 0).sum() for answer in answers], dtype=np.int64),
        positive_flips=positive[:, 0],
        positive_by_norm=positive[:, 1],
        noted_names=np.array(names, dtype=str),
        noted=_stacked([[answer.noted.get(name, np.nan) for name in names] for answer in answers], len(names)),
    )


def _stacked(rows: list, width: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def _answers(
    excerpts: Excerpts,
    model: ExplainedModel,
    explainer: ExplainerSettings,
    grid: SegmentGrid,
    *,
    seed: int,
    domain: str,
    song: str,
) -> Iterator[Attribution]:
    stored = _stored(explainer, excerpts, grid.n_segments, domain, song) if explainer.stored else None
    with Progress(len(excerpts.original), f"{explainer.name} on {song}") as progress:
        tasks = zip(excerpts.adversarial, excerpts.clean, excerpts.flips, strict=True)
        for e, (adversarial, clean, flip) in enumerate(tasks):
            rng = rng_for(seed, "explainer", explainer.name, domain, song, int(excerpts.start_frame[e]))
            if stored is not None:
                weights = checked_weights(stored[e], grid.n_segments, explainer.name)
                yield Attribution(weights, np.lexsort((rng.random(len(weights)), -weights)), 0, {})
            else:
                yield explain(
                    explainer,
                    model,
                    adversarial,
                    grid,
                    flip.label,
                    threshold=flip.threshold,
                    rng=rng,
                    clean=clean,
                )
            progress.advance()


def _stored(explainer: ExplainerSettings, excerpts: Excerpts, n_segments: int, domain: str, song: str) -> np.ndarray:
    """Read stored attributions for exactly these excerpts, without unpickling."""
    path = stored_file(explainer, domain, song)
    n = len(excerpts.start_frame)
    cure = (
        f"Write numpy.savez(path, weights=..., start_frame=...) there, with weights of shape ({n}, {n_segments}) and the "
        "start_frame of the artefact `excerpts`"
    )
    try:
        with np.load(path, allow_pickle=False) as archive:
            weights, starts = archive["weights"], archive["start_frame"]
    except FileNotFoundError:
        raise ConfigError(f"{path}: attributions of the explainer '{explainer.name}' are missing. {cure}.") from None
    except Exception:  # NumPy and zipfile may raise any error for other files; the message of NumPy suggests unsafe loading
        raise ConfigError(f"{path}: cannot be read as attributions. {cure}.") from None
    if weights.shape != (n, n_segments) or weights.dtype.kind not in "fiu":
        raise ConfigError(f"{path}: weights do not match the excerpts, got shape {weights.shape}, {weights.dtype}. {cure}.")
    if not np.array_equal(starts, excerpts.start_frame):
        raise ConfigError(f"{path}: start_frame does not match the excerpts, got {starts.tolist()[:5]} (first values). {cure}.")
    return weights
