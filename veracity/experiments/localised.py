"""Perturbations confined to k segments, and their recovery by LIME (paper section 5.3, Figure 3; stage ``localised``)."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..attacks.excerpts import Excerpts
from ..detector.decisions import Flip
from ..errors import ConfigError
from ..explainers import lime
from ..explainers.lime import LimeSettings
from ..games import solution_concepts
from ..games.explained import ExplainedModel
from ..games.game import Game, fill_game
from ..games.grid import SegmentGrid, masks_of
from ..jobs.progress import Progress
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from .flips import Flips, all_flips
from .perturbation_games import check_same_model, mask_index, norm_ranking, perturbation_games


@dataclass(frozen=True, kw_only=True)
class Localised:
    """Recovery by LIME of perturbations that are confined to the k segments of largest norm.

    There is one row for each excerpt and each k for which these k segments alone flip the label.
    """

    evaluator: str = note("tables (exact, fast) or direct (one forward pass per mask)")
    fill: str = note("content of switched-off segments")
    methods: np.ndarray = array("method", unit="name", doc="sampled or exact LIME")
    k_tried: np.ndarray = array("k", unit="segments", of=int, doc="values of k that were tested")
    n_excerpts: int = note("number of excerpts for each k")
    k: np.ndarray = array("row", unit="segments", of=int, doc="number of segments that contain the perturbation")
    excerpt: np.ndarray = array("row", unit="1", of=int, doc="index of the excerpt")
    original: np.ndarray = array("row", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    kept: np.ndarray = array("row", unit="mask index", of=int, doc="the segments that contain the perturbation")
    p_sing: np.ndarray = array("row", unit="probability", doc="P(sing) of the partly perturbed excerpt")
    weights: np.ndarray = array("method", "row", "segment", unit="probability", doc="LIME weights")
    fidelity: np.ndarray = array("method", "row", unit="1", doc="weighted R^2 of the surrogate")
    n_found: np.ndarray = array("method", "row", unit="segments", doc="number of the k segments among LIME's top k")
    found_flips: np.ndarray = array("method", "row", unit="1", doc="whether these n_found segments suffice to flip the label")
    n_needed: np.ndarray | None = array(
        "row", unit="segments", doc="size of the smallest flip sets within the k segments", optional=True
    )
    needed_found: np.ndarray | None = array(
        "method",
        "row",
        unit="1",
        doc="share of a smallest flip set that is in LIME's top k (maximum over these sets)",
        optional=True,
    )
    audit: np.ndarray = array("row", unit="probability", doc="largest difference from direct evaluation")


def compute(
    excerpts: Excerpts,
    flips: Flips,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    k_tried: Sequence[int],
    seed: int,
    song: str,
) -> Localised:
    """Confine perturbations to the k segments of largest norm, and compare them with LIME's top k (section 5.3, Figure 3).

    Only excerpts whose label is flipped by the k segments alone are explained. If all masks can be evaluated, LIME's top k are
    also compared with the smallest flip sets within the k segments.

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    flips : Flips
        Flip sets and norms of the excerpts.
    model : ExplainedModel
        Explained model.
    settings : LimeSettings
        Settings of LIME, including the grid.
    k_tried : sequence of int
        Values of k to test.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generators are derived.

    Returns
    -------
    Localised
        Scores of all confined perturbations that flip the label.

    Raises
    ------
    ConfigError
        If the model has changed since the excerpts were selected, or `k_tried` exceeds the number of segments.
    """
    check_same_model(excerpts, model)
    grid = settings.grid(*excerpts.clean.shape[1:])
    perturbations, decided = perturbation_games(excerpts, grid), excerpts.flips
    confined = _confined(flips, k_tried, grid.n_segments)
    games = [fill_game(perturbations[c.excerpt].inputs(_mask(c.kept, grid))[0], grid, settings.fill) for c in confined]
    results = []
    with Progress(len(confined), f"localising {song}") as progress:
        for confinement, values in zip(confined, model.values(games), strict=True):
            names = (excerpts.domain, song, int(excerpts.start_frame[confinement.excerpt]), confinement.k)
            fits = lime.fits(values, settings, rng_for(seed, "lime localised", *names))
            e = confinement.excerpt
            excerpt = PerturbedExcerpt(decided[e], all_flips(flips, e), perturbations[e], model)
            scores = [_score(fit, confinement, excerpt) for fit in fits]
            p_sing = values.of(np.ones((1, grid.n_segments), dtype=bool))[0]
            results.append(_Recovery(p_sing, scores, values.audited(rng_for(seed, "audit localised", *names))))
            progress.advance()
    return Localised(
        evaluator=model.evaluator.name,
        fill=settings.fill,
        methods=np.array(lime.METHODS),
        k_tried=np.array(k_tried, dtype=np.int64),
        n_excerpts=len(excerpts.original),
        k=np.array([c.k for c in confined], dtype=np.int64),
        excerpt=np.array([c.excerpt for c in confined], dtype=np.int64),
        original=excerpts.original[[c.excerpt for c in confined]] if confined else np.zeros(0, dtype="U6"),
        kept=np.array([c.kept for c in confined], dtype=np.int64),
        **_columns(results, grid.n_segments, exact=model.exact),
    )


@dataclass(frozen=True)
class Confined:
    """Perturbation of an excerpt that is confined to k segments.

    Attributes
    ----------
    k : int
        Number of segments.
    excerpt : int
        Index of the excerpt.
    kept : int
        The segments as a mask index.
    """

    k: int
    excerpt: int
    kept: int


@dataclass(frozen=True)
class PerturbedExcerpt:
    """Excerpt whose perturbation is confined, with everything needed to score a ranking.

    Attributes
    ----------
    flip : Flip
        Explained label of the excerpt, with the threshold.
    flip_sets : ndarray of bool, shape (2**n_segments,), or None
        Whether each mask of the whole perturbation flips the label; None if not all masks were evaluated.
    perturbation : Game
        Perturbation game of the excerpt.
    model : ExplainedModel
        Explained model.
    """

    flip: Flip
    flip_sets: np.ndarray | None
    perturbation: Game
    model: ExplainedModel


@dataclass(frozen=True)
class _Score:
    """Scores of one fit for a confined perturbation; the defaults are those of a fit that was not computed."""

    weights: np.ndarray
    fidelity: float = np.nan
    n_found: float = np.nan
    found_flips: float = np.nan
    needed_found: float = np.nan
    n_needed: float = np.nan


@dataclass(frozen=True)
class _Recovery:
    p_sing: float
    scores: Sequence[_Score]  # in the order of `lime.METHODS`
    audit: float


def _confined(flips: Flips, k_tried: Sequence[int], n_segments: int) -> list[Confined]:
    """Return the perturbations whose k segments of largest norm alone flip the label."""
    too_many = [k for k in k_tried if k > n_segments]
    if too_many:
        raise ConfigError(f"localised.k: must be at most {n_segments}, the number of segments of the grid, got {too_many[0]}.")
    ranking = norm_ranking(flips.squared_norm)
    pairs = itertools.product(k_tried, range(len(ranking)))
    return [Confined(k, e, mask_index(ranking[e][:k])) for k, e in pairs if flips.by_norm[e, k - 1]]


def _mask(index: int, grid: SegmentGrid) -> np.ndarray:
    return masks_of(np.array([index]), grid.n_segments)


def _score(fit: lime.LimeFit | None, confined: Confined, excerpt: PerturbedExcerpt) -> _Score:
    """Compare LIME's top k segments with the k segments of the perturbation and with the smallest flip sets in them."""
    if fit is None:
        return _Score(np.full(excerpt.perturbation.grid.n_segments, np.nan))
    ranking = lime.ranking(fit.weights, excerpt.flip.label)
    return _Score(fit.weights, fit.fidelity, **recovery(ranking, confined, excerpt))


def recovery(ranking: np.ndarray, confined: Confined, excerpt: PerturbedExcerpt) -> dict[str, float]:
    """Compare the top k segments of a ranking with the k segments of a confined perturbation.

    Parameters
    ----------
    ranking : ndarray of int, shape (n_segments,)
        Ranking of the segments.
    confined : Confined
        Confined perturbation.
    excerpt : PerturbedExcerpt
        Excerpt of the perturbation.

    Returns
    -------
    dict
        ``n_found`` and ``found_flips``, and with `excerpt.flip_sets` also ``needed_found`` and ``n_needed``; see `Localised`.
    """
    top = mask_index(ranking[: confined.k])
    recovered = top & confined.kept
    flip_sets = excerpt.flip_sets
    if flip_sets is None:
        masks = _mask(recovered, excerpt.perturbation.grid)
        p = next(excerpt.model.evaluator.probabilities([excerpt.perturbation], masks))[0]
        return {"n_found": recovered.bit_count(), "found_flips": excerpt.flip.has_flipped(p)}
    needed = solution_concepts.smallest_flip_sets(solution_concepts.within(flip_sets, confined.kept))
    n_needed = int(needed[0]).bit_count()
    share = max((top & int(flip_set)).bit_count() for flip_set in needed) / n_needed
    return {"n_found": recovered.bit_count(), "found_flips": flip_sets[recovered], "needed_found": share, "n_needed": n_needed}


def _columns(results: Sequence[_Recovery], n_segments: int, *, exact: bool) -> dict[str, Any]:
    """Return the fields of `Localised` with the scores of all confined perturbations."""
    shape = (len(results), len(lime.METHODS))
    weights = np.array([[score.weights for score in result.scores] for result in results]).reshape(*shape, n_segments)

    def column(name: str) -> np.ndarray:
        values = [[getattr(score, name) for score in result.scores] for result in results]
        return np.array(values, dtype=float).reshape(shape).swapaxes(0, 1)

    return {
        "p_sing": np.array([result.p_sing for result in results], dtype=float),
        "weights": weights.swapaxes(0, 1),  # (row, method, segment) -> (method, row, segment)
        **{name: column(name) for name in ("fidelity", "n_found", "found_flips")},
        "n_needed": column("n_needed")[0] if exact else None,
        "needed_found": column("needed_found") if exact else None,
        "audit": np.array([result.audit for result in results], dtype=float),
    }
