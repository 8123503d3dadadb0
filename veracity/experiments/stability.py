"""Sampling error of LIME by number of samples (the study mentioned in section 4.4 of the paper; stage ``stability``)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..attacks.excerpts import Excerpts
from ..errors import ConfigError
from ..explainers import lime
from ..explainers.lime import LimeSettings
from ..games.explained import ExplainedModel, GameValues
from ..games.game import fill_game
from ..jobs.progress import Progress
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from ..labels import Label
from .perturbation_games import check_same_model

MEASURES = ("weight_error", "top_right", "top_overlap", "fidelity")  # comparisons of a sampled fit with the exact fit


@dataclass(frozen=True, kw_only=True)
class Stability:
    """Difference between sampled LIME and exact LIME by number of samples."""

    fill: str = note("content of switched-off segments")
    n_samples: np.ndarray = array("size", unit="masks", of=int, doc="number of samples of LIME")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    weight_error: np.ndarray = array(
        "excerpt", "size", "repeat", unit="1", doc="RMS difference of the weights divided by the RMS of the exact weights"
    )
    top_right: np.ndarray = array("excerpt", "size", "repeat", unit="1", doc="whether the top segment is that of exact LIME")
    top_overlap: np.ndarray = array(
        "excerpt", "size", "repeat", unit="segments", doc="number of top 3 segments that are also in the top 3 of exact LIME"
    )
    fidelity: np.ndarray = array("excerpt", "size", "repeat", unit="1", doc="weighted R^2 of the sampled fit")
    fidelity_exact: np.ndarray = array("excerpt", unit="1", doc="weighted R^2 of the exact fit")
    audit: np.ndarray = array("excerpt", unit="probability", doc="largest difference from direct evaluation")


def compute(
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
    """Measure the difference between sampled and exact LIME (the study mentioned in section 4.4 of the paper).

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    model : ExplainedModel
        Explained model.
    settings : LimeSettings
        Settings of LIME.
    n_samples : sequence of int
        Numbers of sampled masks N_s.
    n_repeats : int
        Number of independent fits for each N_s.
    n_per_direction : int
        Largest number of excerpts for each direction.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generators are derived.

    Returns
    -------
    Stability
        Measures of all fits.

    Raises
    ------
    ConfigError
        If not all masks can be evaluated, or the model has changed since the excerpts were selected.

    Notes
    -----
    The ridge penalty of the exact fit is scaled to each N_s, so that the difference consists of sampling error only.
    """
    if not model.exact:
        raise ConfigError("stability.n_samples: requires all masks, which are not available for this model. Set it to [].")
    check_same_model(excerpts, model)
    grid = settings.grid(*excerpts.clean.shape[1:])
    chosen = excerpts.first(n_per_direction)
    measures = np.zeros((len(MEASURES), len(chosen), len(n_samples), n_repeats))
    fidelity_exact, audits = np.zeros(len(chosen)), np.zeros(len(chosen))
    flips, games = excerpts.flips, [fill_game(excerpts.adversarial[e], grid, settings.fill) for e in chosen]
    with Progress(len(chosen), f"stability {song}") as progress:
        for i, values in enumerate(model.values(games)):
            assert values.all_values is not None
            names = (excerpts.domain, song, int(excerpts.start_frame[chosen[i]]))
            exact = lime.fit_all(values.all_values, settings)
            fidelity_exact[i] = exact.fidelity
            for s, size in enumerate(n_samples):
                rngs = [rng_for(seed, "stability", *names, size, repeat) for repeat in range(n_repeats)]
                measures[:, i, s] = _scatter(values, settings, size, flips[chosen[i]].label, rngs)
            audits[i] = values.audited(rng_for(seed, "audit stability", *names))
            progress.advance()
    return Stability(
        fill=settings.fill,
        n_samples=np.array(n_samples, dtype=np.int64),
        original=excerpts.original[chosen],
        **dict(zip(MEASURES, measures, strict=True)),
        fidelity_exact=fidelity_exact,
        audit=audits,
    )


def _scatter(
    values: GameValues, settings: LimeSettings, size: int, label: Label, rngs: Sequence[np.random.Generator]
) -> np.ndarray:
    """Fit random samples of one size and compare each with the exact fit; shape (len(MEASURES), len(rngs))."""
    assert values.all_values is not None
    exact = lime.fit_exact(values.all_values, **settings.surrogate, n_samples=size)
    measured = []
    for rng in rngs:
        masks = lime.sample_masks(rng, size, values.game.grid.n_segments)
        fit = lime.fit_sampled(masks, values.of(masks), **settings.surrogate)
        measured.append((*_compare(fit.weights, exact.weights, label), fit.fidelity))
    return np.array(measured).reshape(len(rngs), len(MEASURES)).T


def _compare(weights: np.ndarray, exact: np.ndarray, label: lime.Label) -> tuple[float, float, float]:
    """Return the relative RMS error, whether the top segment agrees, and the overlap of the top three segments."""
    error = float(np.sqrt(np.mean((weights - exact) ** 2) / np.mean(exact**2)))
    ranks, truth = lime.ranking(weights, label), lime.ranking(exact, label)
    return error, float(ranks[0] == truth[0]), float(len(set(ranks[:3]) & set(truth[:3])))
