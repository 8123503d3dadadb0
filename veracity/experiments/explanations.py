"""Explanations of the clean and the adversarial excerpts of a song (paper section 5.2; stage ``explanations``)."""

from dataclasses import dataclass

import numpy as np

from ..attacks.excerpts import Excerpts
from ..detector.decisions import Flip, probability
from ..explainers import lime
from ..explainers.exact import set_before_others
from ..explainers.lime import LimeSettings
from ..games import solution_concepts
from ..games.explained import ExplainedModel
from ..games.game import fill_game
from ..jobs.progress import Progress
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from .perturbation_games import check_same_model

INPUTS = ("clean", "adversarial")
LOGITS = ("lime_logit", "shapley_logit", "banzhaf_logit", "smallest_set")  # computed for adversarial excerpts only


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """LIME (sampled and exact) and exact attributions of the clean and the adversarial excerpts of one song.

    Weights refer to P(sing), even if "no sing" is explained. Values that were not computed are NaN.
    """

    evaluator: str = note("tables (exact, fast) or direct (one forward pass per mask)")
    inputs: np.ndarray = array("input", unit="name", doc="explained excerpts: clean, adversarial")
    fills: np.ndarray = array("fill", unit="name", doc="content of switched-off segments")
    methods: np.ndarray = array("method", unit="name", doc="sampled: N_s random masks; exact: all masks")
    original: np.ndarray = array("excerpt", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    weights: np.ndarray = array("input", "fill", "method", "excerpt", "segment", unit="probability", doc="LIME weights")
    intercept: np.ndarray = array("input", "fill", "method", "excerpt", unit="probability", doc="LIME intercepts")
    fidelity: np.ndarray = array("input", "fill", "method", "excerpt", unit="1", doc="weighted R^2 of the surrogate")
    local_prediction: np.ndarray = array(
        "input", "fill", "method", "excerpt", unit="probability", doc="surrogate's prediction for the whole excerpt"
    )
    shapley: np.ndarray = array("input", "fill", "excerpt", "segment", unit="probability", doc="exact Shapley values")
    banzhaf: np.ndarray = array("input", "fill", "excerpt", "segment", unit="probability", doc="exact Banzhaf values")
    lime_logit: np.ndarray = array(
        "fill", "excerpt", "segment", unit="logit", doc="exact LIME of the adversarial excerpt's logit"
    )
    shapley_logit: np.ndarray = array("fill", "excerpt", "segment", unit="logit", doc="exact Shapley values of that logit")
    banzhaf_logit: np.ndarray = array("fill", "excerpt", "segment", unit="logit", doc="exact Banzhaf values of that logit")
    smallest_set: np.ndarray = array(
        "fill",
        "excerpt",
        "segment",
        unit="rank",
        doc="weights for a ranking that starts with the smallest set that keeps the adversarial decision; "
        "this set and the rest are each ordered by Shapley value",
    )
    smallest_set_size: np.ndarray = array(
        "fill", "excerpt", unit="segments", doc="size of that set, 0 if the fill alone keeps the decision, NaN if there is none"
    )
    additive_share: np.ndarray = array(
        "fill",
        "excerpt",
        unit="1",
        doc="share of P(sing)'s variance over masks (weighted by LIME's kernel) that the best additive surrogate explains",
    )
    variance_by_order: np.ndarray = array(
        "input",
        "fill",
        "excerpt",
        "order",
        unit="probability^2",
        doc="variance over all masks by order of interaction, starting with order 1",
    )
    audit: np.ndarray = array("input", "fill", "excerpt", unit="probability", doc="largest difference from direct evaluation")

    def along(self, name: str, *, input: str = "adversarial", fill: str, method: str = "sampled") -> np.ndarray:
        """Return the values of a field for one input and fill.

        Parameters
        ----------
        name : str
            Name of a field with the axes input and fill.
        input : {"adversarial", "clean"}
            Explained excerpts, "adversarial" by default.
        fill : str
            Content of switched-off segments.
        method : {"sampled", "exact"}
            Method of LIME, "sampled" by default. It is ignored for fields without this axis.

        Returns
        -------
        ndarray
            Values of the field without the axes input, fill and method.
        """
        values = getattr(self, name)[list(self.inputs).index(input), list(self.fills).index(fill)]
        return (
            values[list(self.methods).index(method)]
            if name in ("weights", "intercept", "fidelity", "local_prediction")
            else values
        )


def compute(excerpts: Excerpts, model: ExplainedModel, settings: LimeSettings, *, seed: int, song: str) -> Explanations:
    """Explain the clean and the adversarial excerpts with every fill (paper section 5.2).

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    model : ExplainedModel
        Explained model.
    settings : LimeSettings
        Settings of LIME.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generators are derived.

    Returns
    -------
    Explanations
        Explanations of all excerpts.

    Raises
    ------
    ConfigError
        If the model has changed since the excerpts were selected.
    """
    check_same_model(excerpts, model)
    n_excerpts, n_frames, n_mels = excerpts.clean.shape
    grid = settings.grid(n_frames, n_mels)
    arrays, flips = empty(len(settings.fills), n_excerpts, grid.n_segments), excerpts.flips
    with Progress(n_excerpts * len(INPUTS) * len(settings.fills), f"explaining {song}") as progress:
        for i, log_mel in enumerate((excerpts.clean, excerpts.adversarial)):
            for f, fill in enumerate(settings.fills):
                for e, values in enumerate(model.values([fill_game(x, grid, fill) for x in log_mel])):
                    names = (excerpts.domain, song, int(excerpts.start_frame[e]), INPUTS[i], fill)
                    fits = lime.fits(values, settings, rng_for(seed, "lime", *names))
                    _keep(arrays, (i, f, e), fits, values.all_values)
                    if values.all_logits is not None and INPUTS[i] == "adversarial":
                        ties = rng_for(seed, "ties", *names)
                        _keep_adversarial(arrays, (f, e), values.all_logits, settings, flips[e], ties)
                    arrays["audit"][i, f, e] = values.audited(rng_for(seed, "audit", *names))
                    progress.advance()
    return Explanations(
        evaluator=model.evaluator.name,
        inputs=np.array(INPUTS),
        fills=np.array(settings.fills),
        methods=np.array(lime.METHODS),
        original=excerpts.original,
        **arrays,
    )


def empty(n_fills: int, n_excerpts: int, n_segments: int) -> dict[str, np.ndarray]:
    """Return the arrays of `Explanations` filled with NaN, and ``audit`` filled with 0.

    Parameters
    ----------
    n_fills, n_excerpts, n_segments : int
        Numbers of fills, excerpts and segments.

    Returns
    -------
    dict of str to ndarray
        Arrays by name of the field.
    """
    games, fits = (len(INPUTS), n_fills, n_excerpts), (len(INPUTS), n_fills, len(lime.METHODS), n_excerpts)
    return {
        "weights": np.full((*fits, n_segments), np.nan),
        **{name: np.full(fits, np.nan) for name in ("intercept", "fidelity", "local_prediction")},
        **{name: np.full((*games, n_segments), np.nan) for name in ("shapley", "banzhaf", "variance_by_order")},
        **{name: np.full((n_fills, n_excerpts, n_segments), np.nan) for name in LOGITS},
        **{name: np.full((n_fills, n_excerpts), np.nan) for name in ("smallest_set_size", "additive_share")},
        "audit": np.zeros(games),
    }


def _keep_adversarial(
    arrays: dict[str, np.ndarray],
    game: tuple[int, int],
    logits: np.ndarray,
    settings: LimeSettings,
    flip: Flip,
    ties: np.random.Generator,
) -> None:
    """Store the values that are computed for adversarial excerpts only: weights of the logit, smallest set, additive share."""
    p = probability(logits)
    arrays["lime_logit"][game] = lime.fit_all(logits, settings).weights
    arrays["shapley_logit"][game] = solution_concepts.shapley(logits)
    arrays["banzhaf_logit"][game] = solution_concepts.banzhaf(logits)
    sets = solution_concepts.smallest_flip_sets(flip.has_flipped(p))
    shapley = flip.sign * arrays["shapley"][(1, *game)]
    arrays["smallest_set"][game] = set_before_others(flip.sign * logits, sets, shapley, ties)
    if len(sets):
        arrays["smallest_set_size"][game] = int(sets[0]).bit_count()
    best = lime.fit_exact(p, kernel_width=settings.kernel_width, alpha=1e-12, n_samples=None)  # without a penalty
    arrays["additive_share"][game] = best.fidelity


def _keep(
    arrays: dict[str, np.ndarray],
    game: tuple[int, int, int],
    fits: list[lime.LimeFit | None],
    all_values: np.ndarray | None,
) -> None:
    """Store the results of one game (input, fill, excerpt) in the arrays."""
    i, f, e = game
    for m, fit in enumerate(fits):
        if fit is not None:
            for name in ("weights", "intercept", "fidelity", "local_prediction"):
                arrays[name][i, f, m, e] = getattr(fit, name)
    if all_values is not None:
        arrays["shapley"][game] = solution_concepts.shapley(all_values)
        arrays["banzhaf"][game] = solution_concepts.banzhaf(all_values)
        arrays["variance_by_order"][game] = solution_concepts.variance_by_order(all_values)
