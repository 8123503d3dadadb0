"""Table ``scores``: scores of every explainer against the exact flips of all masks, one row per excerpt and explainer.

Baselines are computed from the games that the stages ``explanations`` and ``flips`` evaluate. All other explainers come from
the stage ``attributions``. Explainers explain one of two games. In the *fill game*, switched-off segments hold a fill. In the
*perturbation game* (fill ``clean``), they hold the clean excerpt, and its flip sets are the ground truth.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from ..experiments.attributions import Attributions
from ..experiments.explanations import Explanations
from ..experiments.flips import WEIGHTS, AllSets, Flips
from ..experiments.perturbation_games import mask_index
from ..explainers.settings import EXACT_BASELINES, REQUESTED_SUFFIX
from ..games import scoring
from ..jobs.seeds import rng_for
from ..labels import Label, opposite, towards
from .leaderboard import LOG_ODDS
from .pooling import Keyed
from .study import ALL_MASKS, BOUNDS, CLEAN, EXPLAINER, STORED, budget_of

#: Exact solutions of the fill games, named after the fields of `Explanations` that contain them.
EXACT = ("shapley", "banzhaf")
LOGIT = ("lime_logit", "shapley_logit", "banzhaf_logit")
KEYS = ["song", "domain", "excerpt", "original", *EXPLAINER, "n_queries"]
#: Numeric columns of the table other than scores.
NUMBERS = ["own_game_tau", "fidelity", "additive_share", "smallest_size", "n_segments"]


@dataclass(frozen=True)
class Answers:
    """Attributions of one explainer for the excerpts of a song.

    Attributes
    ----------
    explainer : str
        Name of the explainer.
    fill : str
        Fill of the explained game; "" for explainers without a game.
    privileged : bool
        Whether the explainer has access to the clean excerpt.
    n_queries : ndarray of int, shape (n_excerpts,)
        Number of model queries.
    weights : ndarray, shape (n_excerpts, n_segments)
        Weights, larger for more evidence for the adversarial label.
    ranking : ndarray of int, shape (n_excerpts, n_segments)
        Segments from most to least responsible.
    fidelity : ndarray, shape (n_excerpts,), or None
        Fidelity of the surrogate; None for explainers without one.
    answered : ndarray of bool, shape (n_excerpts,), or None
        Whether there is an attribution; None if there is one for every excerpt.
    stored : bool
        Whether the attributions were computed elsewhere, so that the number of queries is unknown.
    """

    explainer: str
    fill: str
    privileged: bool
    n_queries: np.ndarray
    weights: np.ndarray
    ranking: np.ndarray
    fidelity: np.ndarray | None = None
    answered: np.ndarray | None = None
    stored: bool = False


def table(
    flips: Keyed, explanations: Keyed, attributions: Keyed, *, seed: int, n_samples: int, n_rankings: int
) -> pd.DataFrame:
    """Score all explainers.

    Parameters
    ----------
    flips, explanations, attributions : iterable of (song, domain, artefact)
        Artefacts of the stages of the same names.
    seed : int
        Seed for breaking ties and for random rankings.
    n_samples : int
        Number of masks of sampled LIME.
    n_rankings : int
        Number of random rankings for the chance levels of two scores.

    Returns
    -------
    DataFrame
        Columns are `KEYS`, the scores of `veracity.games.scoring.SCORES`, their chance with the prefix ``chance_``, `LOG_ODDS`,
        `NUMBERS`, and the flip curve as ``flips_1``, .... The log-odds of the adversarial label measure the gain of the clean
        excerpt from the top three segments and the loss of the adversarial excerpt without them. Excerpts are omitted if not
        all masks are known.
    """
    explained = {(song, domain): item for song, domain, item in explanations}
    judged: dict[tuple[str, str], list[Attributions]] = {}
    for song, domain, item in attributions:
        assert isinstance(item, Attributions)
        judged.setdefault((song, domain), []).append(item)
    parts = []
    for song, domain, item in flips:
        assert isinstance(item, Flips)
        explanation = explained[song, domain]
        assert isinstance(explanation, Explanations)
        if not isinstance(item.sets, AllSets) or not len(item.original):
            continue
        ties = rng_for(seed, "ties", domain, song)
        answers = list(answers_of(item, explanation, judged.get((song, domain), ()), ties, n_samples=n_samples))
        for e in range(len(item.original)):
            rng = rng_for(seed, "chance", domain, song, e)
            rows = _of_excerpt(item.original[e], item.sets, explanation, e, answers, rng, n_rankings)
            parts.append(pd.DataFrame([{"song": song, "domain": domain, "excerpt": e, **row} for row in rows]))
    if not parts:
        return pd.DataFrame(columns=[*KEYS, *NUMBERS, "aufc"])
    scored = pd.concat(parts, ignore_index=True)
    # The largest number of queries determines the group of an explainer, because a search may stop early.
    most = scored.groupby(["explainer", "fill", "privileged"])["n_queries"].transform("max")
    known = scored.budget != STORED
    groups = [budget_of(int(rows), int(n)) for rows, n in zip(most[known], scored.n_segments[known], strict=True)]
    scored.loc[known, "budget"] = groups
    return scored


def answers_of(
    flips: Flips,
    explanations: Explanations,
    attributions: Sequence[Attributions],
    ties: np.random.Generator,
    *,
    n_samples: int,
) -> Iterator[Answers]:
    """Yield the attributions of every explainer for the excerpts of a song.

    Parameters
    ----------
    flips : Flips
        Flips of the song.
    explanations : Explanations
        LIME and exact solutions of the fill games of the song.
    attributions : sequence of Attributions
        Results of the stage ``attributions`` for the song.
    ties : Generator
        Source of randomness for breaking ties.
    n_samples : int
        Number of masks of sampled LIME.

    Yields
    ------
    Answers
        Attributions of one explainer for one game.
    """
    assert isinstance(flips.sets, AllSets)
    # Signs in favour of the adversarial label.
    sign = np.array([towards(opposite(original)) for original in flips.original], dtype=float)[:, None]
    n_excerpts, n = flips.squared_norm.shape
    everything = 1 << n

    def answers(
        name: str, fill: str, weights: np.ndarray, rows: int, privileged: bool = False, fidelity: np.ndarray | None = None
    ) -> Answers:
        ranking = np.lexsort((ties.random(weights.shape), -weights), axis=1)
        return Answers(name, fill, privileged, np.full(n_excerpts, rows), weights, ranking, fidelity)

    yield answers("norm", "", flips.squared_norm, 0, privileged=True)
    for fill in map(str, explanations.fills):
        for method, name, rows in (("sampled", "lime", n_samples), ("exact", "lime_exact", everything)):
            here, clean = (
                explanations.along("weights", input=version, fill=fill, method=method) for version in ("adversarial", "clean")
            )
            fidelity = explanations.along("fidelity", fill=fill, method=method)
            yield answers(name, fill, sign * here, rows, fidelity=fidelity)
            yield answers(f"{name}_difference", fill, sign * (here - clean), 2 * rows, privileged=True)
        for name in EXACT:
            yield answers(name, fill, sign * explanations.along(name, fill=fill), everything)
        for name in LOGIT:
            yield answers(name, fill, sign * _of_fill(explanations, name, fill), everything)
        # There is no smallest set if the fill alone or no set yields the label.
        of_set = answers("smallest_set", fill, _of_fill(explanations, "smallest_set", fill), everything)
        yield replace(of_set, answered=_of_fill(explanations, "smallest_set_size", fill) > 0)
    for name in WEIGHTS:
        exact = "lime_exact" if name == "lime" else name
        yield answers(exact, CLEAN, sign * getattr(flips.sets, name), everything, privileged=True)
    for item in attributions:
        name = f"{item.explainer}{REQUESTED_SUFFIX}" if item.explainer in EXACT_BASELINES else item.explainer
        yield Answers(name, item.fill, bool(item.privileged), item.n_queries, item.weights, item.ranking, stored=not item.fill)


def _of_fill(explanations: Explanations, name: str, fill: str) -> np.ndarray:
    return getattr(explanations, name)[list(explanations.fills).index(fill)]


def _of_excerpt(
    original: Label,
    sets: AllSets,
    explanation: Explanations,
    e: int,
    answers: Sequence[Answers],
    rng: np.random.Generator,
    n_rankings: int,
) -> Iterator[dict[str, object]]:
    flips, sign = sets.flips(e), towards(opposite(original))
    truth = scoring.truth_of(flips)
    expected = {f"chance_{name}": value for name, value in scoring.chance(truth, rng, n_rankings).items()}
    solutions = {str(fill): sign * explanation.along("shapley", fill=fill)[e] for fill in explanation.fills}
    solutions[CLEAN] = sign * sets.shapley[e]  # the exact solution of each game, towards the adversarial label
    logits = dict(zip(sets.few_masks.tolist(), (sign * sets.few_logits[e]).tolist(), strict=True))
    share = dict(zip(explanation.fills, explanation.additive_share[:, e], strict=True))
    of_excerpt = {**expected, "smallest_size": truth.size, "n_segments": truth.n}
    for answer in answers:
        if answer.answered is not None and not answer.answered[e]:
            continue
        weights, ranking, n_queries = answer.weights[e], answer.ranking[e], int(answer.n_queries[e])
        yield {
            "original": original,
            "explainer": answer.explainer,
            "fill": answer.fill,
            "privileged": answer.privileged,
            "budget": STORED if answer.stored else "",
            "n_queries": n_queries,
            **scoring.scores(truth, ranking, weights),
            **_log_odds(logits, ranking, truth.n),
            **of_excerpt,
            "own_game_tau": _tau(weights, solutions.get(answer.fill)),
            "fidelity": np.nan if answer.fidelity is None else answer.fidelity[e],
            "additive_share": share.get(answer.fill, np.nan) if answer.fidelity is not None else np.nan,
            **_curve(flips[np.cumsum(1 << ranking)]),
        }
    known = {"original": original, "fill": "", "privileged": True, "budget": ALL_MASKS, "n_queries": 1 << truth.n}
    of_best = scoring.scores(truth, truth.best) | _log_odds(logits, truth.best, truth.n)
    yield {**known, "explainer": BOUNDS[0], **of_best, **of_excerpt, **_curve(flips[np.cumsum(1 << truth.best)])}
    for name, curve in zip(BOUNDS[1:], (sets.best, sets.random, sets.worst), strict=True):
        yield {**known, "explainer": name, **of_excerpt, **_curve(curve[e])}


def _curve(flips: np.ndarray) -> dict[str, float]:
    """Return a flip curve as columns, without the full set, which always flips."""
    return {f"flips_{k + 1}": float(flip) for k, flip in enumerate(flips[:-1])}


def _log_odds(logits: Mapping[int, float], ranking: np.ndarray, n: int) -> dict[str, float]:
    top, everything = mask_index(ranking[: scoring.TOP]), (1 << n) - 1
    return dict(zip(LOG_ODDS, (logits[top] - logits[0], logits[everything] - logits[everything ^ top]), strict=True))


def _tau(weights: np.ndarray | None, solution: np.ndarray | None) -> float:
    """Return Kendall's rank correlation of weights with the solution of a game; NaN if either is constant or missing."""
    from scipy.stats import kendalltau

    if weights is None or solution is None or not np.ptp(weights) or not np.ptp(solution):
        return np.nan
    return float(kendalltau(weights, solution).statistic)
