"""Which segments of a perturbation flip the label (paper section 5.2, Figure 2, Tables 1 and 2; stage ``flips``)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..attacks.excerpts import Excerpts
from ..explainers import lime
from ..explainers.lime import LimeSettings
from ..games import readouts
from ..games.explained import ExplainedModel, GameValues
from ..games.grid import masks_of
from ..games.searching import smallest_flip_set
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from ..labels import SING
from .explanations import Explanations
from .perturbation_games import check_same_model, first_masks, mask_index, norm_ranking, perturbation_games, squared_norms

RANDOM_SETS = 32  # of each size, where not all sets can be known
FEW = 3  # segments of the paper's Table 1, for which values are kept beside flips
WEIGHTS = ("shapley", "shapley_logit", "banzhaf", "banzhaf_logit", "lime", "lime_logit")
SEARCH_BUDGET = 8192  # sets that a search may try of an excerpt: as many as LIME has samples


@dataclass(frozen=True, kw_only=True)
class Flips:
    """Which segments of a perturbation flip the label: by LIME, by norm, and in truth.

    The truth needs all masks; its fields are absent where only single masks could be evaluated.
    """

    evaluator: str = note("tables (exact, fast) or direct (one forward pass for each mask)")
    fills: np.ndarray = array("fill", unit="name", doc="content of switched-off segments in LIME")
    methods: np.ndarray = array("method", unit="name", doc="sampled or exact LIME")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    squared_norm: np.ndarray = array(
        "excerpt", "segment", unit="(ln magnitude)^2", doc="sum of squares of the log-mel difference"
    )
    by_lime: np.ndarray = array("fill", "method", "excerpt", "k", unit="1", doc="do LIME's first 1, 2, ... segments flip?")
    by_norm: np.ndarray = array("excerpt", "k", unit="1", of=bool, doc="do the 1, 2, ... segments of highest norm flip?")
    n_positive: np.ndarray = array("fill", "method", "excerpt", unit="segments", doc="segments that LIME counts in favour")
    positive_by_lime: np.ndarray = array("fill", "method", "excerpt", unit="1", doc="do all segments in favour flip?")
    positive_by_norm: np.ndarray = array("fill", "method", "excerpt", unit="1", doc="do as many segments by norm flip?")
    best: np.ndarray | None = array(
        "excerpt", "k", unit="1", of=bool, doc="does any set of 1, 2, ... segments flip?", optional=True
    )
    worst: np.ndarray | None = array(
        "excerpt", "k", unit="1", of=bool, doc="do all sets of 1, 2, ... segments flip?", optional=True
    )
    random: np.ndarray | None = array(
        "excerpt", "k", unit="1", doc="share of the sets of 1, 2, ... segments that flip", optional=True
    )
    best_found: np.ndarray | None = array(
        "excerpt",
        "k",
        unit="1",
        doc="does any set of 1, 2, ... segments flip that was tried, by search and at random? (instead of best)",
        optional=True,
    )
    random_sampled: np.ndarray | None = array(
        "excerpt",
        "k",
        unit="1",
        doc="share of some random sets of 1, 2, ... segments that flip (instead of random)",
        optional=True,
    )
    smallest_size: np.ndarray | None = array("excerpt", unit="segments", of=int, doc="of the smallest flip sets", optional=True)
    smallest_sets: np.ndarray | None = array(
        "set", unit="mask index", of=int, doc="the smallest flip sets of all excerpts", optional=True
    )
    smallest_sets_excerpt: np.ndarray | None = array("set", unit="1", of=int, doc="the excerpt of each of them", optional=True)
    found_size: np.ndarray | None = array(
        "excerpt", unit="segments", of=int, doc="of the smallest flip set that a search has found; -1: none", optional=True
    )
    found_set: np.ndarray | None = array("excerpt", unit="mask index", of=int, doc="that set", optional=True)
    found_proved: np.ndarray | None = array(
        "excerpt", unit="1", of=bool, doc="were all smaller sets tried? if not, the size is an upper bound", optional=True
    )
    found_queries: np.ndarray | None = array(
        "excerpt", unit="masks", of=int, doc="sets that the search has tried", optional=True
    )
    n_minimal_sets: np.ndarray | None = array(
        "excerpt", "size", unit="sets", of=int, doc="inclusion-minimal flip sets of 0, 1, 2, ... segments", optional=True
    )
    core: np.ndarray | None = array(
        "excerpt", "segment", unit="1", of=bool, doc="is the segment in every smallest flip set?", optional=True
    )
    necessary: np.ndarray | None = array(
        "excerpt", "segment", unit="1", of=bool, doc="does taking it alone out undo the flip?", optional=True
    )
    shapley: np.ndarray | None = array(
        "excerpt",
        "segment",
        unit="probability",
        doc="exact Shapley values of the perturbation's segments",
        optional=True,
    )
    shapley_logit: np.ndarray | None = array(
        "excerpt", "segment", unit="logit", doc="exact Shapley values of the logit", optional=True
    )
    banzhaf: np.ndarray | None = array("excerpt", "segment", unit="probability", doc="exact Banzhaf values", optional=True)
    banzhaf_logit: np.ndarray | None = array(
        "excerpt", "segment", unit="logit", doc="exact Banzhaf values of the logit", optional=True
    )
    lime: np.ndarray | None = array(
        "excerpt", "segment", unit="probability", doc="exact LIME of the perturbation's segments", optional=True
    )
    lime_logit: np.ndarray | None = array("excerpt", "segment", unit="logit", doc="exact LIME of the logit", optional=True)
    few_masks: np.ndarray | None = array(
        "mask", unit="mask index", of=int, doc="all sets of at most 3 segments, and their complements", optional=True
    )
    few_logits: np.ndarray | None = array("excerpt", "mask", unit="logit", doc="of P(sing) under these masks", optional=True)
    flips_packed: np.ndarray | None = array(
        "excerpt",
        "byte",
        unit="bits",
        of=int,
        doc="does each mask flip? numpy.unpackbits(..., bitorder='little')",
        optional=True,
    )
    audit: np.ndarray | None = array(
        "excerpt", unit="probability", doc="largest difference from direct evaluation", optional=True
    )


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
    """Tell which segments of the perturbations flip the label (paper section 5.2, Figure 2, Tables 1 and 2).

    Only the chosen segments of a perturbation are added to the clean excerpt. They are chosen by LIME's explanation of the
    adversarial excerpt, by norm, and, where all masks are known, in every possible way. Where they are not, a search for the
    smallest set that flips may try `search_budget` sets of an excerpt.
    """
    check_same_model(excerpts, model)
    grid = settings.grid(*excerpts.clean.shape[1:])
    squared_norm = squared_norms(excerpts, grid)
    by_norm = norm_ranking(squared_norm)
    weights = explanations.weights[list(explanations.inputs).index("adversarial")]  # (fill, method, excerpt, segment)
    chosen, truths = _empty(weights.shape), []
    if not model.exact:
        chosen |= {name: np.zeros(squared_norm.shape) for name in ("best_found", "random_sampled")}
        chosen |= {f"found_{name}": np.zeros(len(squared_norm), dtype=np.int64) for name in ("size", "set", "queries")}
        chosen["found_proved"] = np.zeros(len(squared_norm), dtype=bool)
    for e, values in enumerate(model.values(perturbation_games(excerpts, grid))):
        _flip_chosen(chosen, e, weights[:, :, e], by_norm[e], excerpts, values)
        names = excerpts.domain, song, int(excerpts.start_frame[e])
        if values.all_values is None:
            _flip_random(chosen, e, excerpts, values, rng_for(seed, "random flips", *names))
            _flip_found(chosen, e, excerpts, values, search_budget)
        else:
            rng = rng_for(seed, "audit flips", *names)
            flips = excerpts.flipped(e, values.all_values)
            truths.append(_truth(values, flips, settings, values.audited(rng)))
    return Flips(
        evaluator=model.evaluator.name,
        fills=explanations.fills,
        methods=explanations.methods,
        original=excerpts.original,
        squared_norm=squared_norm,
        **chosen,
        **(_truth_fields(truths, grid.n_segments) if model.exact else {}),
    )


def _empty(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return the fields of `Flips` that tell of chosen segments; `shape` is (fill, method, excerpt, segment)."""
    return {
        "by_lime": np.full(shape, np.nan),
        "by_norm": np.zeros(shape[2:], dtype=bool),
        "n_positive": np.full(shape[:3], np.nan),
        "positive_by_lime": np.full(shape[:3], np.nan),
        "positive_by_norm": np.full(shape[:3], np.nan),
    }


def _flip_chosen(
    chosen: dict[str, np.ndarray], e: int, weights: np.ndarray, by_norm: np.ndarray, excerpts: Excerpts, values: GameValues
) -> None:
    """Add the segments that norm and LIME's weights, shape (fill, method, segment), choose to one excerpt."""
    label, n = excerpts.target(e), len(by_norm)
    chosen["by_norm"][e] = excerpts.flipped(e, values.of(first_masks(by_norm)))
    for f, m in np.ndindex(weights.shape[:2]):
        if np.isnan(weights[f, m]).any():
            continue
        positive = lime.positive(weights[f, m], label)
        count = int(positive.sum())
        as_many = masks_of(np.array([mask_index(by_norm[:count])]), n)[0]
        flips = excerpts.flipped(e, values.of(first_masks(lime.ranking(weights[f, m], label))))
        both = excerpts.flipped(e, values.of(np.stack([positive, as_many])))
        chosen["by_lime"][f, m, e], chosen["n_positive"][f, m, e] = flips, count
        chosen["positive_by_lime"][f, m, e], chosen["positive_by_norm"][f, m, e] = both


def _flip_random(
    chosen: dict[str, np.ndarray], e: int, excerpts: Excerpts, values: GameValues, rng: np.random.Generator
) -> None:
    """Add random sets of 1, 2, ... segments to one excerpt, where not all can be known: chance."""
    n = values.game.grid.n_segments
    rankings = rng.permuted(np.tile(np.arange(n), (RANDOM_SETS, 1)), axis=1)
    masks = np.concatenate([first_masks(ranking) for ranking in rankings])
    flips = excerpts.flipped(e, values.of(masks)).reshape(RANDOM_SETS, n)
    chosen["best_found"][e], chosen["random_sampled"][e] = flips.any(axis=0), flips.mean(axis=0)


def _flip_found(chosen: dict[str, np.ndarray], e: int, excerpts: Excerpts, values: GameValues, budget: int) -> None:
    """Search for the smallest set that flips one excerpt."""
    sign = 1 if excerpts.target(e) == SING else -1
    found = smallest_flip_set(
        lambda masks: sign * values.of(masks), lambda p: excerpts.flipped(e, sign * p), values.game.grid.n_segments, budget
    )
    chosen["best_found"][e] = np.logical_or(chosen["best_found"][e], found.best[1:])
    chosen["found_size"][e], chosen["found_set"][e] = found.size, found.mask
    chosen["found_proved"][e], chosen["found_queries"][e] = found.proved, found.n_queries


@dataclass(frozen=True)
class _Truth:
    flips: np.ndarray
    weights: dict[str, np.ndarray]
    few_logits: np.ndarray
    audit: float


def _truth(values: GameValues, flips: np.ndarray, settings: LimeSettings, audit: float) -> _Truth:
    """Read off all masks of a perturbation what each exact explainer would say of it."""
    p, logits = values.all_values, values.all_logits
    assert p is not None
    assert logits is not None
    weights = {
        "shapley": readouts.shapley(p),
        "shapley_logit": readouts.shapley(logits),
        "banzhaf": readouts.banzhaf(p),
        "banzhaf_logit": readouts.banzhaf(logits),
        "lime": lime.fit_all(p, settings).weights,
        "lime_logit": lime.fit_all(logits, settings).weights,
    }
    return _Truth(flips, weights, logits[few_masks(values.game.grid.n_segments)], audit)


def few_masks(n_segments: int) -> np.ndarray:
    """Return the mask indices of all sets of at most `FEW` segments, and of their complements, increasing."""
    size = readouts.sizes(n_segments)
    return np.flatnonzero((size <= FEW) | (size >= n_segments - FEW))


def _truth_fields(truths: Sequence[_Truth], n: int) -> dict[str, np.ndarray]:
    """Read out of all masks which sets of segments flip, for the fields of `Flips`."""
    curves = [readouts.flip_curve(t.flips) for t in truths]
    smallest = [readouts.smallest_flip_sets(t.flips) for t in truths]
    minimal = [readouts.minimal_flip_sets(t.flips) for t in truths]
    count = readouts.sizes(n)

    def stack(rows: list[np.ndarray], width: int, dtype: type = float) -> np.ndarray:
        return np.array(rows, dtype=dtype).reshape(len(truths), width)

    return {
        "best": stack([c.best[1:] for c in curves], n, bool),
        "worst": stack([c.worst[1:] for c in curves], n, bool),
        "random": stack([c.mean[1:] for c in curves], n),
        "smallest_size": np.array([count[sets[0]] for sets in smallest], dtype=np.int64),
        "smallest_sets": np.concatenate([*smallest, np.zeros(0, dtype=np.int64)]),
        "smallest_sets_excerpt": np.repeat(np.arange(len(truths)), [len(sets) for sets in smallest]),
        "n_minimal_sets": stack([np.bincount(count[sets], minlength=n + 1) for sets in minimal], n + 1, int),
        "core": stack([masks_of(np.array([readouts.core(sets)]), n)[0] for sets in smallest], n, bool),
        "necessary": stack([readouts.necessary(t.flips) for t in truths], n, bool),
        **{name: stack([t.weights[name] for t in truths], n) for name in WEIGHTS},
        "few_masks": few_masks(n),
        "few_logits": stack([t.few_logits for t in truths], len(few_masks(n)), np.float32),
        "flips_packed": stack([np.packbits(t.flips, bitorder="little") for t in truths], max(1, (1 << n) // 8), np.uint8),
        "audit": np.array([t.audit for t in truths]),
    }


def all_flips(flips: Flips, excerpt: int) -> np.ndarray | None:
    """Return whether each mask flips the label of an excerpt, shape (2**n_segments,); None when not all are known."""
    if flips.flips_packed is None:
        return None
    return np.unpackbits(flips.flips_packed[excerpt], bitorder="little", count=1 << flips.squared_norm.shape[1]).astype(bool)
