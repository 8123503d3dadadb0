"""Flips of the label by segments of a perturbation (paper section 5.2, Figure 2, Tables 1 and 2; stage ``flips``)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..attacks.excerpts import Excerpts
from ..detector.decisions import Flip
from ..explainers import lime
from ..explainers.lime import LimeSettings
from ..games import solution_concepts
from ..games.explained import ExplainedModel, GameValues
from ..games.grid import masks_of
from ..games.searching import smallest_flip_set
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from .explanations import Explanations
from .perturbation_games import check_same_model, first_masks, mask_index, norm_ranking, perturbation_games, squared_norms

RANDOM_SETS = 32  # random sets of each size, if not all masks can be evaluated
TOP_SEGMENTS = 3  # number of segments in the paper's Table 1, up to which logits are stored
WEIGHTS = ("shapley", "shapley_logit", "banzhaf", "banzhaf_logit", "lime", "lime_logit")
SEARCH_BUDGET = 8192  # sets that a search may evaluate for an excerpt, as many as LIME has samples


@dataclass(frozen=True, kw_only=True)
class AllSets:
    """Results of all sets of segments of the perturbations, if all masks can be evaluated."""

    CURVES: ClassVar = ("best", "random", "worst")

    best: np.ndarray = array("excerpt", "k", unit="1", of=bool, doc="whether any set of 1, 2, ... segments flips the label")
    worst: np.ndarray = array("excerpt", "k", unit="1", of=bool, doc="whether all sets of 1, 2, ... segments flip the label")
    random: np.ndarray = array("excerpt", "k", unit="1", doc="share of the sets of 1, 2, ... segments that flip the label")
    smallest_size: np.ndarray = array("excerpt", unit="segments", of=int, doc="size of the smallest flip sets")
    smallest_sets: np.ndarray = array("set", unit="mask index", of=int, doc="the smallest flip sets of all excerpts")
    smallest_sets_excerpt: np.ndarray = array("set", unit="1", of=int, doc="index of the excerpt to which each set belongs")
    n_minimal_sets: np.ndarray = array(
        "excerpt", "size", unit="sets", of=int, doc="number of inclusion-minimal flip sets of 0, 1, 2, ... segments"
    )
    core: np.ndarray = array("excerpt", "segment", unit="1", of=bool, doc="whether the segment is in every smallest flip set")
    necessary: np.ndarray = array(
        "excerpt", "segment", unit="1", of=bool, doc="whether removing only this segment undoes the flip"
    )
    shapley: np.ndarray = array(
        "excerpt", "segment", unit="probability", doc="exact Shapley values of the perturbation's segments"
    )
    shapley_logit: np.ndarray = array("excerpt", "segment", unit="logit", doc="exact Shapley values of the logit")
    banzhaf: np.ndarray = array("excerpt", "segment", unit="probability", doc="exact Banzhaf values")
    banzhaf_logit: np.ndarray = array("excerpt", "segment", unit="logit", doc="exact Banzhaf values of the logit")
    lime: np.ndarray = array("excerpt", "segment", unit="probability", doc="exact LIME of the perturbation's segments")
    lime_logit: np.ndarray = array("excerpt", "segment", unit="logit", doc="exact LIME of the logit")
    few_masks: np.ndarray = array(
        "mask", unit="mask index", of=int, doc="all sets of at most 3 segments, and their complements"
    )
    few_logits: np.ndarray = array("excerpt", "mask", unit="logit", doc="logit of P(sing) under these masks")
    flips_packed: np.ndarray = array(
        "excerpt",
        "byte",
        unit="bits",
        of=int,
        doc="whether each mask flips the label; read with numpy.unpackbits(..., bitorder='little')",
    )
    audit: np.ndarray = array("excerpt", unit="probability", doc="largest difference from direct evaluation")

    def flips(self, excerpt: int) -> np.ndarray:
        """Return whether each mask flips the label of an excerpt, shape (2**n_segments,)."""
        return np.unpackbits(self.flips_packed[excerpt], bitorder="little", count=1 << self.core.shape[1]).astype(bool)

    def smallest(self, excerpt: int) -> np.ndarray:
        """Return the smallest flip sets of an excerpt as mask indices."""
        return self.smallest_sets[self.smallest_sets_excerpt == excerpt]


@dataclass(frozen=True, kw_only=True)
class TriedSets:
    """Results of the evaluated sets of segments of the perturbations, if not all masks can be evaluated."""

    CURVES: ClassVar = ("best_found", "random_sampled")

    best_found: np.ndarray = array(
        "excerpt",
        "k",
        unit="1",
        doc="whether any tried set (by search or at random) of 1, 2, ... segments flips the label",
    )
    random_sampled: np.ndarray = array(
        "excerpt", "k", unit="1", doc="share of the tried random sets of 1, 2, ... segments that flip the label"
    )
    found_size: np.ndarray = array(
        "excerpt", unit="segments", of=int, doc="size of the smallest flip set that a search found; -1 if none"
    )
    found_set: np.ndarray = array("excerpt", unit="mask index", of=int, doc="the smallest flip set that a search found")
    found_proved: np.ndarray = array(
        "excerpt", unit="1", of=bool, doc="whether all smaller sets were tried; otherwise the size is an upper bound"
    )
    found_queries: np.ndarray = array("excerpt", unit="masks", of=int, doc="number of sets that the search tried")

    def smallest(self, excerpt: int) -> np.ndarray:
        """Return the smallest flip set that the search found for an excerpt as a mask index, shape (1,); 0 if it found none."""
        return self.found_set[excerpt : excerpt + 1]


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Flips of the label by the segments that LIME or the norm selects, and by all sets of segments (or those tried)."""

    evaluator: str = note("tables (exact, fast) or direct (one forward pass per mask)")
    fills: np.ndarray = array("fill", unit="name", doc="content of switched-off segments in LIME")
    methods: np.ndarray = array("method", unit="name", doc="sampled or exact LIME")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    squared_norm: np.ndarray = array(
        "excerpt", "segment", unit="(ln magnitude)^2", doc="sum of squares of the log-mel difference"
    )
    by_lime: np.ndarray = array(
        "fill", "method", "excerpt", "k", unit="1", doc="whether LIME's top 1, 2, ... segments flip the label"
    )
    by_norm: np.ndarray = array(
        "excerpt", "k", unit="1", of=bool, doc="whether the 1, 2, ... segments of largest norm flip the label"
    )
    n_positive: np.ndarray = array(
        "fill", "method", "excerpt", unit="segments", doc="number of segments that LIME weights in favour of the label"
    )
    positive_by_lime: np.ndarray = array(
        "fill",
        "method",
        "excerpt",
        unit="1",
        doc="whether these n_positive segments together flip the label",
    )
    positive_by_norm: np.ndarray = array(
        "fill", "method", "excerpt", unit="1", doc="whether the n_positive segments of largest norm flip the label"
    )
    sets: AllSets | TriedSets = note("flips of all sets of segments, or of the tried sets if not all could be evaluated")


def compute(
    excerpts: Excerpts,
    explanations: Explanations,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    seed: int,
    song: str,
    search_budget: int = SEARCH_BUDGET,
) -> Flips:
    """Determine which segments of the perturbations flip the label (paper section 5.2, Figure 2, Tables 1 and 2).

    Only the selected segments of a perturbation are added to the clean excerpt. They are selected by the LIME explanation of
    the adversarial excerpt and by the norm. If all masks can be evaluated, all sets are evaluated. Otherwise, random sets are
    evaluated, and the smallest flip set is searched for.

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    explanations : Explanations
        LIME explanations of the excerpts.
    model : ExplainedModel
        Explained model.
    settings : LimeSettings
        Settings of LIME, including the grid.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generators are derived.
    search_budget : int
        Largest number of sets that the search may evaluate for an excerpt, 8192 by default.

    Returns
    -------
    Flips
        Flips of all excerpts.

    Raises
    ------
    ConfigError
        If the model has changed since the excerpts were selected.
    """
    check_same_model(excerpts, model)
    grid = settings.grid(*excerpts.clean.shape[1:])
    squared_norm = squared_norms(excerpts, grid)
    by_norm = norm_ranking(squared_norm)
    weights = explanations.weights[list(explanations.inputs).index("adversarial")]  # (fill, method, excerpt, segment)
    chosen, of_sets = _empty(weights.shape), []
    games = zip(excerpts.flips, model.values(perturbation_games(excerpts, grid)), strict=True)
    for e, (flip, values) in enumerate(games):
        _flip_chosen(chosen, e, weights[:, :, e], by_norm[e], flip, values)
        names = excerpts.domain, song, int(excerpts.start_frame[e])
        if model.exact:
            of_sets.append(_of_all(flip, values, settings, rng_for(seed, "audit flips", *names)))
        else:
            of_sets.append(_of_tried(flip, values, search_budget, rng_for(seed, "random flips", *names)))
    return Flips(
        evaluator=model.evaluator.name,
        fills=explanations.fills,
        methods=explanations.methods,
        original=excerpts.original,
        squared_norm=squared_norm,
        **chosen,
        sets=(_all_sets if model.exact else _tried_sets)(of_sets, grid.n_segments),
    )


def _empty(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return empty fields of `Flips` for selected segments; `shape` is (fill, method, excerpt, segment)."""
    return {
        "by_lime": np.full(shape, np.nan),
        "by_norm": np.zeros(shape[2:], dtype=bool),
        "n_positive": np.full(shape[:3], np.nan),
        "positive_by_lime": np.full(shape[:3], np.nan),
        "positive_by_norm": np.full(shape[:3], np.nan),
    }


def _flip_chosen(
    chosen: dict[str, np.ndarray], e: int, weights: np.ndarray, by_norm: np.ndarray, flip: Flip, values: GameValues
) -> None:
    """Store the flips of one excerpt by the segments that the norm and LIME's `weights` (fill, method, segment) select."""
    chosen["by_norm"][e] = flip.has_flipped(values.of(first_masks(by_norm)))
    for f, m in np.ndindex(weights.shape[:2]):
        if np.isnan(weights[f, m]).any():
            continue
        positive = flip.sign * weights[f, m] > 0
        count = int(positive.sum())
        as_many = masks_of(np.array([mask_index(by_norm[:count])]), len(by_norm))[0]
        chosen["by_lime"][f, m, e] = flip.has_flipped(values.of(first_masks(lime.ranking(weights[f, m], flip.label))))
        chosen["n_positive"][f, m, e] = count
        both = flip.has_flipped(values.of(np.stack([positive, as_many])))
        chosen["positive_by_lime"][f, m, e], chosen["positive_by_norm"][f, m, e] = both


def _of_tried(flip: Flip, values: GameValues, budget: int, rng: np.random.Generator) -> dict[str, Any]:
    """Evaluate random sets of 1, 2, ... segments of one excerpt, and search for its smallest flip set."""
    n = values.game.grid.n_segments
    rankings = rng.permuted(np.tile(np.arange(n), (RANDOM_SETS, 1)), axis=1)
    masks = np.concatenate([first_masks(ranking) for ranking in rankings])
    flips = flip.has_flipped(values.of(masks)).reshape(RANDOM_SETS, n)
    sign = flip.sign
    search = smallest_flip_set(lambda masks: sign * values.of(masks), lambda p: flip.has_flipped(sign * p), n, budget)
    return {
        "best_found": flips.any(axis=0) | search.best[1:],
        "random_sampled": flips.mean(axis=0),
        "found_size": search.size,
        "found_set": search.mask,
        "found_proved": search.proved,
        "found_queries": search.n_queries,
    }


def _of_all(flip: Flip, values: GameValues, settings: LimeSettings, rng: np.random.Generator) -> dict[str, Any]:
    """Return the flips, solution concepts and exact LIME weights of one perturbation from the values of all masks."""
    p, logits, n = values.all_values, values.all_logits, values.game.grid.n_segments
    assert p is not None
    assert logits is not None
    flips, size = flip.has_flipped(p), solution_concepts.sizes(n)
    curve, smallest, minimal = (
        solution_concepts.flip_curve(flips),
        solution_concepts.smallest_flip_sets(flips),
        solution_concepts.minimal_flip_sets(flips),
    )
    return {
        "best": curve.best[1:],
        "worst": curve.worst[1:],
        "random": curve.mean[1:],
        "smallest_size": size[smallest[0]],
        "smallest_sets": smallest,
        "n_minimal_sets": np.bincount(size[minimal], minlength=n + 1),
        "core": masks_of(np.array([solution_concepts.core(smallest)]), n)[0],
        "necessary": solution_concepts.necessary(flips),
        "shapley": solution_concepts.shapley(p),
        "shapley_logit": solution_concepts.shapley(logits),
        "banzhaf": solution_concepts.banzhaf(p),
        "banzhaf_logit": solution_concepts.banzhaf(logits),
        "lime": lime.fit_all(p, settings).weights,
        "lime_logit": lime.fit_all(logits, settings).weights,
        "few_logits": logits[few_masks(n)],
        "flips_packed": np.packbits(flips, bitorder="little"),
        "audit": values.audited(rng),
    }


def few_masks(n_segments: int) -> np.ndarray:
    """Return the indices of all masks of at most `TOP_SEGMENTS` segments and of their complements, in increasing order."""
    size = solution_concepts.sizes(n_segments)
    return np.flatnonzero((size <= TOP_SEGMENTS) | (size >= n_segments - TOP_SEGMENTS))


def _all_sets(rows: Sequence[dict[str, Any]], n: int) -> AllSets:
    of_excerpts, few = [row["smallest_sets"] for row in rows], few_masks(n)
    return AllSets(
        smallest_sets=np.concatenate([*of_excerpts, np.zeros(0, dtype=np.int64)]),
        smallest_sets_excerpt=np.repeat(np.arange(len(rows)), [len(sets) for sets in of_excerpts]),
        few_masks=few,
        **_stacked(rows, bool, "best", "worst", "core", "necessary", width=n),
        **_stacked(rows, float, "random", *WEIGHTS, width=n),
        **_stacked(rows, int, "n_minimal_sets", width=n + 1),
        **_stacked(rows, np.float32, "few_logits", width=len(few)),
        **_stacked(rows, np.uint8, "flips_packed", width=max(1, (1 << n) // 8)),
        **_stacked(rows, int, "smallest_size"),
        **_stacked(rows, float, "audit"),
    )


def _tried_sets(rows: Sequence[dict[str, Any]], n: int) -> TriedSets:
    return TriedSets(
        **_stacked(rows, float, "best_found", "random_sampled", width=n),
        **_stacked(rows, int, "found_size", "found_set", "found_queries"),
        **_stacked(rows, bool, "found_proved"),
    )


def _stacked(rows: Sequence[dict[str, Any]], dtype: type, *names: str, width: int | None = None) -> dict[str, np.ndarray]:
    """Stack the results of all excerpts, arrays of length `width` or single numbers; also for an empty list of excerpts."""
    shape = (len(rows),) if width is None else (len(rows), width)
    return {name: np.array([row[name] for row in rows], dtype=dtype).reshape(shape) for name in names}


def all_flips(flips: Flips, excerpt: int) -> np.ndarray | None:
    """Return whether each mask flips the label of an excerpt, shape (2**n_segments,); None if not all masks were evaluated."""
    return flips.sets.flips(excerpt) if isinstance(flips.sets, AllSets) else None
