"""The paper's experiments on the adversarial excerpts of one song (sections 5.1 to 5.4), and what only all masks can tell.

Each function takes the excerpts of one song and the explained model, and returns one artefact. Random numbers are named by
song, domain and excerpt, so that more excerpts or songs change nothing for the others.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from . import lime, readouts
from .artefacts import DrawnExcerpt, Excerpts, Explanations, Flips, Localised, Stability
from .decisions import flipped, is_sing, opposite
from .detector import Network
from .drawings import fit_drawing
from .errors import ConfigError
from .games import (
    DirectEvaluator,
    Evaluator,
    Fill,
    Game,
    audit,
    callable_evaluator,
    fill_game,
    network_evaluator,
    probability,
)
from .grid import SegmentGrid, indices_of, masks_of
from .progress import Progress
from .seeds import rng_for

log = logging.getLogger(__name__)

METHODS = ("sampled", "exact")
INPUTS = ("clean", "adversarial")
DIRECT_EXACT_SEGMENTS = 12  # without tables, all masks are evaluated only up to so many segments (4096 masks)


@dataclass(frozen=True)
class LimeSettings:
    """Settings of LIME; the defaults are the paper's (section 4.4).

    Attributes
    ----------
    n_time, n_band : int
        Segments along time and frequency.
    n_samples : int
        N_s, masks of the sampled fit.
    kernel_width : float
        In cosine distance.
    alpha : float
        Ridge penalty.
    fill : {"mean", "zero", "min"}
        Content of switched-off segments in figures and tables.
    fills : tuple of the same
        Those for which explanations are computed; holds `fill`.
    exact : bool
        Also compute what needs all masks, where the evaluator can.
    evaluator : {"auto", "direct"}
        ``auto``: exact tables where the model allows them. ``direct``: one forward pass for each mask.
    """

    n_time: int = 5
    n_band: int = 4
    n_samples: int = 8192
    kernel_width: float = 0.25
    alpha: float = 1.0
    fill: Fill = "mean"
    fills: tuple[Fill, ...] = ("mean", "zero", "min")
    exact: bool = True
    evaluator: Literal["auto", "direct"] = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "fills", tuple(self.fills))
        if self.fill not in self.fills:
            raise ConfigError(f"lime.fill {self.fill!r} is not among lime.fills {list(self.fills)}: add it there")
        if self.evaluator not in ("auto", "direct"):
            raise ConfigError(f"unknown lime.evaluator {self.evaluator!r}: choose auto or direct")

    def grid(self, n_frames: int, n_mels: int) -> SegmentGrid:
        """Return the grid on excerpts of this shape."""
        return SegmentGrid(self.n_time, self.n_band, n_frames, n_mels)


@dataclass(frozen=True)
class ExplainedModel:
    """A model as the experiments see it.

    Attributes
    ----------
    evaluator : Evaluator
        Values of games.
    predict_logits : callable
        From excerpts, Tensor of shape (n, n_frames, n_mels), to logits of shape (n,).
    exact : bool
        Whether all masks can be evaluated.
    """

    evaluator: Evaluator
    predict_logits: Callable[[Tensor], Tensor]
    exact: bool


def explained_model(network: Network, settings: LimeSettings, *, n_mels: int, predict: str | None = None) -> ExplainedModel:
    """Return the model to be explained.

    Parameters
    ----------
    network : Network
        The attacked detector.
    settings : LimeSettings
    n_mels : int
    predict : str, optional
        ``module:callable`` of another model to explain instead; see `veracity.games.callable_evaluator`.
    """
    grid = settings.grid(network.excerpt_frames, n_mels)
    evaluator: Evaluator
    if predict:
        evaluator = callable_evaluator(predict)
        predict_logits = evaluator.predict_logits
    else:
        evaluator = network_evaluator(network, grid, exact_tables=settings.evaluator == "auto")

        def predict_logits(excerpts: Tensor) -> Tensor:
            return network.logits(excerpts.to(network.device, network.dtype))

        if isinstance(evaluator, DirectEvaluator):
            evaluator.predict_logits = predict_logits
    can = not isinstance(evaluator, DirectEvaluator) or grid.n_segments <= DIRECT_EXACT_SEGMENTS
    if settings.exact and not can:
        log.warning("exact results need all 2**%d masks and are left out: %s", grid.n_segments, evaluator.reason)
    return ExplainedModel(evaluator, predict_logits, settings.exact and can)


@dataclass(frozen=True)
class _Values:
    """P(sing) of one game: of all masks, or only where asked."""

    game: Game
    model: ExplainedModel
    all_values: np.ndarray | None

    def of(self, masks: np.ndarray) -> np.ndarray:
        """Return P(sing) of masks, shape (n_masks,)."""
        if self.all_values is not None:
            return self.all_values[indices_of(masks)]
        return next(self.model.evaluator.probabilities([self.game], masks))

    def audited(self, rng: np.random.Generator) -> float:
        return audit(self.model.evaluator, self.model.predict_logits, self.game, rng, all_values=self.all_values)


def _values(model: ExplainedModel, games: Sequence[Game]) -> Iterator[_Values]:
    """Yield the values of games in turn."""
    if not model.exact:
        yield from (_Values(game, model, None) for game in games)
        return
    for game, values in zip(games, model.evaluator.probabilities(games), strict=True):
        yield _Values(game, model, values)


def _fits(values: _Values, settings: LimeSettings, rng: np.random.Generator) -> list[lime.LimeFit | None]:
    """Return the sampled and the exact fit (None when not all masks are known)."""
    masks = lime.sample_masks(rng, settings.n_samples, values.game.grid.n_segments)
    kernel = {"kernel_width": settings.kernel_width, "alpha": settings.alpha}
    sampled = lime.fit_sampled(masks, values.of(masks), **kernel)
    if values.all_values is None:
        return [sampled, None]
    return [sampled, lime.fit_exact(values.all_values, **kernel, n_samples=settings.n_samples)]


def explain(excerpts: Excerpts, model: ExplainedModel, settings: LimeSettings, *, seed: int, song: str) -> Explanations:
    """Explain the clean and the adversarial excerpts with every fill (paper section 5.2).

    Parameters
    ----------
    excerpts : Excerpts
    model : ExplainedModel
    settings : LimeSettings
    seed : int
    song : str
        Names the random numbers.
    """
    n_excerpts, n_frames, n_mels = excerpts.clean_log_mel.shape
    grid = settings.grid(n_frames, n_mels)
    lead, n = (len(INPUTS), len(settings.fills)), grid.n_segments
    weights = np.full((*lead, len(METHODS), n_excerpts, n), np.nan)
    numbers = np.full((3, *lead, len(METHODS), n_excerpts), np.nan)  # intercept, fidelity, local prediction
    exact = np.full((3, *lead, n_excerpts, n), np.nan)  # Shapley, Banzhaf, variance by order
    audits = np.zeros((*lead, n_excerpts))
    with Progress(n_excerpts * len(INPUTS) * len(settings.fills), f"explaining {song}") as progress:
        for i, log_mel in enumerate((excerpts.clean_log_mel, excerpts.adversarial_log_mel)):
            for f, fill in enumerate(settings.fills):
                games = [fill_game(torch.as_tensor(x), grid, fill) for x in log_mel]
                for e, values in enumerate(_values(model, games)):
                    names = (excerpts.domain, song, int(excerpts.start_frame[e]), INPUTS[i], fill)
                    for m, fit in enumerate(_fits(values, settings, rng_for(seed, "lime", *names))):
                        if fit is not None:
                            weights[i, f, m, e] = fit.weights
                            numbers[:, i, f, m, e] = fit.intercept, fit.fidelity, fit.local_prediction
                    if values.all_values is not None:
                        exact[:, i, f, e] = (
                            readouts.shapley(values.all_values),
                            readouts.banzhaf(values.all_values),
                            readouts.variance_by_order(values.all_values),
                        )
                    audits[i, f, e] = values.audited(rng_for(seed, "audit", *names))
                    progress.advance()
    return Explanations(
        evaluator=model.evaluator.name,
        inputs=np.array(INPUTS),
        fills=np.array(settings.fills),
        methods=np.array(METHODS),
        original=excerpts.original,
        weights=weights,
        intercept=numbers[0],
        fidelity=numbers[1],
        local_prediction=numbers[2],
        shapley=exact[0],
        banzhaf=exact[1],
        variance_by_order=exact[2],
        audit=audits,
    )


def segment_energy(excerpts: Excerpts, grid: SegmentGrid) -> np.ndarray:
    """Return the energy of the perturbation in each segment, shape (n_excerpts, n_segments), (ln magnitude)^2."""
    return grid.sums((excerpts.adversarial_log_mel.astype(np.float64) - excerpts.clean_log_mel) ** 2)


def flip(
    excerpts: Excerpts, explanations: Explanations, model: ExplainedModel, settings: LimeSettings, *, seed: int, song: str
) -> Flips:
    """Tell which segments of the perturbations flip the label (paper section 5.2, Figure 2, Tables 1 and 2).

    Only the chosen segments of a perturbation are added to the clean excerpt. They are chosen by LIME's explanation of the
    adversarial excerpt, by energy, and, where all masks are known, in every possible way.
    """
    n_excerpts, n_frames, n_mels = excerpts.clean_log_mel.shape
    grid = settings.grid(n_frames, n_mels)
    n = grid.n_segments
    energy = segment_energy(excerpts, grid)
    by_energy = np.argsort(-energy, axis=1, kind="stable")
    weights = explanations.weights[list(explanations.inputs).index("adversarial")]  # (fill, method, excerpt, segment)
    known = ~np.isnan(weights).any(axis=-1)
    shape = weights.shape[:3]
    results: dict[str, np.ndarray] = {
        "by_lime": np.full((*shape, n), np.nan),
        "by_energy": np.zeros((n_excerpts, n), dtype=bool),
        "n_positive": np.full(shape, np.nan),
        "positive_by_lime": np.full(shape, np.nan),
        "positive_by_energy": np.full(shape, np.nan),
    }
    truths = []
    on, off = (torch.as_tensor(x) for x in (excerpts.adversarial_log_mel, excerpts.clean_log_mel))
    games = [Game(on[e], off[e], grid) for e in range(n_excerpts)]
    for e, values in enumerate(_values(model, games)):
        was_sing = excerpts.original[e] == "sing"
        label = opposite(excerpts.original[e])

        def flips(masks: np.ndarray, values: _Values = values, was_sing: bool = was_sing) -> np.ndarray:
            return flipped(values.of(masks), excerpts.threshold, was_sing)

        results["by_energy"][e] = flips(_first_masks(by_energy[e]))
        for f, m in np.ndindex(shape[:2]):
            if known[f, m, e]:
                positive = lime.positive(weights[f, m, e], label)
                count = int(positive.sum())
                as_many = masks_of(np.array([(1 << by_energy[e][:count]).sum()]), n)[0]
                results["by_lime"][f, m, e] = flips(_first_masks(lime.ranking(weights[f, m, e], label)))
                results["n_positive"][f, m, e] = count
                both = flips(np.stack([positive, as_many]))
                results["positive_by_lime"][f, m, e], results["positive_by_energy"][f, m, e] = both
        if values.all_values is not None:
            rng = rng_for(seed, "audit flips", excerpts.domain, song, int(excerpts.start_frame[e]))
            label_flips = flipped(values.all_values, excerpts.threshold, was_sing)
            truths.append(_Truth(label_flips, readouts.shapley(values.all_values), values.audited(rng)))
    return Flips(
        evaluator=model.evaluator.name,
        fills=explanations.fills,
        methods=explanations.methods,
        original=excerpts.original,
        energy=energy,
        **results,
        **(_truth_fields(truths, n) if model.exact else {}),
    )


def _first_masks(ranking: np.ndarray) -> np.ndarray:
    """Return the masks of the first 1, 2, ... segments of a ranking, shape (n_segments, n_segments)."""
    return np.argsort(ranking)[None, :] <= np.arange(len(ranking))[:, None]


@dataclass(frozen=True)
class _Truth:
    flips: np.ndarray
    shapley: np.ndarray
    audit: float


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
        "shapley": stack([t.shapley for t in truths], n),
        "flips_packed": stack([np.packbits(t.flips, bitorder="little") for t in truths], max(1, (1 << n) // 8), np.uint8),
        "audit": np.array([t.audit for t in truths]),
    }


def all_flips(flips: Flips, excerpt: int) -> np.ndarray | None:
    """Return whether each mask flips the label of an excerpt, shape (2**n_segments,); None when not all are known."""
    if flips.flips_packed is None:
        return None
    return np.unpackbits(flips.flips_packed[excerpt], bitorder="little", count=1 << flips.energy.shape[1]).astype(bool)


def localise(
    excerpts: Excerpts,
    flips: Flips,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    k_tried: Sequence[int],
    seed: int,
    song: str,
) -> Localised:
    """Confine perturbations to their k most energetic segments and ask LIME for k segments (paper section 5.3, Figure 3).

    Only excerpts whose label the k segments alone flip are explained. Where all masks are known, the finding is also scored
    against the smallest sets within the k segments that flip: what was really needed.
    """
    n_excerpts, n_frames, n_mels = excerpts.clean_log_mel.shape
    grid = settings.grid(n_frames, n_mels)
    n = grid.n_segments
    too_many = [k for k in k_tried if k > n]
    if too_many:
        raise ConfigError(f"localised.k holds {too_many[0]}, the grid has only {n} segments: use smaller k")
    by_energy = np.argsort(-flips.energy, axis=1, kind="stable")
    rows = [(k, e) for k in k_tried for e in range(n_excerpts) if flips.by_energy[e, k - 1]]
    kept = np.array([(1 << by_energy[e][:k]).sum() for k, e in rows], dtype=np.int64)
    on, off = (torch.as_tensor(x) for x in (excerpts.adversarial_log_mel, excerpts.clean_log_mel))
    partly = [Game(on[e], off[e], grid).inputs(masks_of(kept[r : r + 1], n))[0] for r, (_, e) in enumerate(rows)]
    weights = np.full((len(METHODS), len(rows), n), np.nan)
    scores = np.full((4, len(METHODS), len(rows)), np.nan)  # fidelity, found, found flips, needed found
    n_needed, audits, p_sing = np.full(len(rows), np.nan), np.zeros(len(rows)), np.zeros(len(rows))
    games = [fill_game(x, grid, settings.fill) for x in partly]
    with Progress(len(rows), f"localising {song}") as progress:
        for r, values in enumerate(_values(model, games)):
            k, e = rows[r]
            names = (excerpts.domain, song, int(excerpts.start_frame[e]), k)
            known = all_flips(flips, e)
            needed = None if known is None else readouts.smallest_flip_sets(readouts.within(known, int(kept[r])))
            p_sing[r] = values.of(np.ones((1, n), dtype=bool))[0]
            for m, fit in enumerate(_fits(values, settings, rng_for(seed, "lime localised", *names))):
                if fit is None:
                    continue
                top = (1 << lime.ranking(fit.weights, opposite(excerpts.original[e]))[:k]).sum()
                found = int(top & kept[r])
                if known is None:
                    p = next(model.evaluator.probabilities([Game(on[e], off[e], grid)], masks_of(np.array([found]), n)))
                    suffices = flipped(p[0], excerpts.threshold, excerpts.original[e] == "sing")
                else:
                    suffices = known[found]
                weights[m, r] = fit.weights
                scores[:3, m, r] = fit.fidelity, found.bit_count(), suffices
                if needed is not None:
                    n_needed[r] = int(needed[0]).bit_count()
                    scores[3, m, r] = max(int(top & s).bit_count() for s in needed) / n_needed[r]
            audits[r] = values.audited(rng_for(seed, "audit localised", *names))
            progress.advance()
    return Localised(
        evaluator=model.evaluator.name,
        fill=settings.fill,
        methods=np.array(METHODS),
        k_tried=np.array(k_tried, dtype=np.int64),
        n_excerpts=n_excerpts,
        k=np.array([k for k, _ in rows], dtype=np.int64),
        excerpt=np.array([e for _, e in rows], dtype=np.int64),
        original=excerpts.original[[e for _, e in rows]] if rows else np.zeros(0, dtype="U6"),
        kept=kept,
        p_sing=p_sing,
        weights=weights,
        fidelity=scores[0],
        n_found=scores[1],
        found_flips=scores[2],
        n_needed=n_needed if model.exact else None,
        needed_found=scores[3] if model.exact else None,
        audit=audits,
    )


def stability(
    excerpts: Excerpts,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    n_samples: Sequence[int],
    n_repeats: int,
    n_per_direction: int,
    seed: int,
    song: str,
) -> Stability:
    """Measure how sampled LIME scatters about exact LIME (the study that paper section 4.4 mentions).

    Parameters
    ----------
    n_samples : sequence of int
        Values of N_s.
    n_repeats : int
        Independent samples for each.
    n_per_direction : int
        The first so many excerpts of each direction are studied.

    Notes
    -----
    The exact fit's ridge penalty is scaled to each N_s, so that the difference is sampling error alone.
    """
    if not model.exact:
        raise ConfigError("the stability study needs all masks: set stability.n_samples to [] for this model")
    grid = settings.grid(*excerpts.clean_log_mel.shape[1:])
    chosen = np.sort(np.concatenate([np.flatnonzero(excerpts.original == o)[:n_per_direction] for o in ("nosing", "sing")]))
    shape = (len(chosen), len(n_samples), n_repeats)
    measures = np.zeros((4, *shape))  # weight error, top right, overlap, fidelity
    fidelity_exact, audits = np.zeros(len(chosen)), np.zeros(len(chosen))
    games = [fill_game(torch.as_tensor(excerpts.adversarial_log_mel[e]), grid, settings.fill) for e in chosen]
    kernel = {"kernel_width": settings.kernel_width, "alpha": settings.alpha}
    with Progress(len(chosen), f"stability {song}") as progress:
        for i, values in enumerate(_values(model, games)):
            assert values.all_values is not None
            label = opposite(excerpts.original[chosen[i]])
            names = (excerpts.domain, song, int(excerpts.start_frame[chosen[i]]))
            fidelity_exact[i] = lime.fit_exact(values.all_values, **kernel, n_samples=settings.n_samples).fidelity
            for s, size in enumerate(n_samples):
                exact = lime.fit_exact(values.all_values, **kernel, n_samples=size)
                for repeat in range(n_repeats):
                    rng = rng_for(seed, "stability", *names, size, repeat)
                    masks = lime.sample_masks(rng, size, grid.n_segments)
                    fit = lime.fit_sampled(masks, values.of(masks), **kernel)
                    measures[:, i, s, repeat] = *_compare(fit.weights, exact.weights, label), fit.fidelity
            audits[i] = values.audited(rng_for(seed, "audit stability", *names))
            progress.advance()
    return Stability(
        fill=settings.fill,
        n_samples=np.array(n_samples, dtype=np.int64),
        original=excerpts.original[chosen],
        weight_error=measures[0],
        top_right=measures[1],
        top_overlap=measures[2],
        fidelity=measures[3],
        fidelity_exact=fidelity_exact,
        audit=audits,
    )


def _compare(weights: np.ndarray, exact: np.ndarray, label: lime.Label) -> tuple[float, float, float]:
    """Return relative RMS error, whether the top segment agrees, and the overlap of the top three."""
    error = float(np.sqrt(np.mean((weights - exact) ** 2) / np.mean(exact**2)))
    ranks, truth = lime.ranking(weights, label), lime.ranking(exact, label)
    return error, float(ranks[0] == truth[0]), float(len(set(ranks[:3]) & set(truth[:3])))


def draw(
    padded_log_mel: np.ndarray,
    model: ExplainedModel,
    settings: LimeSettings,
    *,
    threshold: float,
    n_frames: int,
    shapes: Sequence[str],
    imported: Mapping[str, np.ndarray] | None = None,
    n_placements: int,
    seed: int,
    song: str,
) -> DrawnExcerpt:
    """Draw on one random "no sing" excerpt until it is "sing", and explain it (paper section 5.1, Figure 1).

    Parameters
    ----------
    padded_log_mel : ndarray, shape (n_frames_of_song + n_frames - 1, n_mels)
        With half an excerpt of silence on both sides.
    model : ExplainedModel
    settings : LimeSettings
    threshold : float
    n_frames : int
        Length of an excerpt.
    shapes : sequence of str
        Names in `veracity.drawings.SHAPES`.
    imported : mapping of str to ndarray, shape (n_frames, n_mels), optional
        Drawings of one's own; see `veracity.drawings.import_drawings`.
    n_placements : int
        Places and sizes that are tried for each shape.
    seed : int
    song : str
        Names the random numbers.
    """

    def predict(batch: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return probability(model.predict_logits(torch.as_tensor(batch)).cpu().numpy())

    rng = rng_for(seed, "drawings", song)
    half = n_frames // 2
    inside = padded_log_mel[half : len(padded_log_mel) - half]
    start = _first_nosing(inside, n_frames, predict, threshold, rng)
    if start is None:
        log.warning("%s has no excerpt that is no sing: nothing can be drawn on", song)
        return _no_drawing(padded_log_mel.shape[1])
    excerpt = np.ascontiguousarray(inside[start : start + n_frames])
    # One shape after the other, in an order of the song's own: together, the broadest shape would win every time.
    choices: list[dict[str, Any]] = [{"shapes": (shape,)} for shape in shapes]
    choices += [{"shapes": (), "imported": {name: drawing}} for name, drawing in (imported or {}).items()]
    tries = (
        fit_drawing(excerpt, predict, threshold, rng, n_placements=n_placements, **choices[i])
        for i in rng.permutation(len(choices))
    )
    drawing = next((drawing for drawing in tries if drawing is not None), None)
    if drawing is None:
        log.warning("%s: no drawing turned the excerpt at frame %d to sing: raise drawings.n_placements", song, start)
        return _no_drawing(padded_log_mel.shape[1])
    grid = settings.grid(*excerpt.shape)
    values = next(_values(model, [fill_game(torch.as_tensor(drawing.log_mel), grid, settings.fill)]))
    sampled, exact = _fits(values, settings, rng_for(seed, "lime drawings", song))
    assert sampled is not None
    share = grid.sums(drawing.coverage.astype(np.float64))
    return DrawnExcerpt(
        found=True,
        shape=drawing.shape,
        strength=drawing.strength,
        start_frame=start,
        fidelity=sampled.fidelity,
        fidelity_exact=exact.fidelity if exact else float("nan"),
        clean_p_sing=drawing.clean_p_sing,
        drawn_p_sing=drawing.drawn_p_sing,
        audit=values.audited(rng_for(seed, "audit drawings", song)),
        clean_log_mel=excerpt,
        drawn_log_mel=drawing.log_mel,
        coverage=drawing.coverage,
        weights=sampled.weights,
        coverage_by_segment=share / share.sum(),
    )


def _first_nosing(
    frames: np.ndarray,
    n_frames: int,
    predict: Callable[[np.ndarray], np.ndarray],
    threshold: float,
    rng: np.random.Generator,
    batch: int = 32,
) -> int | None:
    """Return the first frame of a random excerpt that is no sing, or None when there is none."""
    starts = rng.permutation(len(frames) - n_frames + 1)
    for part in np.array_split(starts, max(1, len(starts) // batch)):
        nosing = ~is_sing(predict(np.stack([frames[s : s + n_frames] for s in part])), threshold)
        if nosing.any():
            return int(part[np.argmax(nosing)])
    return None


def _no_drawing(n_mels: int) -> DrawnExcerpt:
    nothing, nan = np.zeros((0, n_mels), dtype=np.float32), float("nan")
    return DrawnExcerpt(
        found=False,
        shape="",
        strength=nan,
        start_frame=-1,
        fidelity=nan,
        fidelity_exact=nan,
        clean_p_sing=nan,
        drawn_p_sing=nan,
        audit=nan,
        clean_log_mel=nothing,
        drawn_log_mel=nothing,
        coverage=nothing,
        weights=np.zeros(0),
        coverage_by_segment=np.zeros(0),
    )
