"""Recovery of perturbations confined to k segments by an explainer (paper section 5.3; stage ``localised_attributions``)."""

from dataclasses import dataclass

import numpy as np

from ..attacks.excerpts import Excerpts
from ..explainers.evaluate import explain
from ..explainers.settings import ExplainerSettings
from ..games.explained import ExplainedModel
from ..games.grid import SegmentGrid, masks_of
from ..jobs.progress import Progress
from ..jobs.seeds import rng_for
from ..jobs.store import array, note
from .flips import Flips, all_flips
from .localised import Confined, Localised, PerturbedExcerpt, recovery
from .perturbation_games import perturbation_games


@dataclass(frozen=True, kw_only=True)
class LocalisedAttributions:
    """Recovery by one explainer of the confined perturbations of `Localised`, with the same rows."""

    explainer: str = note("name of the explainer")
    k: np.ndarray = array("row", unit="segments", of=int, doc="number of segments that contain the perturbation")
    excerpt: np.ndarray = array("row", unit="1", of=int, doc="index of the excerpt")
    original: np.ndarray = array("row", unit="label", doc="sing or nosing: the decision on the clean excerpt")
    ranking: np.ndarray = array(
        "row", "rank", unit="segment", of=int, doc="segments in order of decreasing weight, ties in random order"
    )
    n_found: np.ndarray = array("row", unit="segments", doc="number of the k segments among the explainer's top k")
    found_flips: np.ndarray = array("row", unit="1", doc="whether these n_found segments suffice to flip the label")
    n_needed: np.ndarray = array("row", unit="segments", doc="size of the smallest flip sets within the k segments, or NaN")
    needed_found: np.ndarray = array(
        "row", unit="1", doc="share of a smallest flip set that is in the explainer's top k (maximum over these sets), or NaN"
    )


def compute(
    excerpts: Excerpts,
    flips: Flips,
    localised: Localised,
    model: ExplainedModel,
    explainer: ExplainerSettings,
    grid: SegmentGrid,
    *,
    seed: int,
    song: str,
) -> LocalisedAttributions:
    """Explain each excerpt with a confined perturbation, and compare the top k segments with those of the perturbation.

    Parameters
    ----------
    excerpts : Excerpts
        Adversarial excerpts of a song.
    flips : Flips
        Flip sets of the excerpts.
    localised : Localised
        Confined perturbations.
    model : ExplainedModel
        Explained model.
    explainer : ExplainerSettings
        Settings of the explainer.
    grid : SegmentGrid
        Segments of the excerpts.
    seed : int
        Seed of the run.
    song : str
        Name of the song, from which the random generators are derived.

    Returns
    -------
    LocalisedAttributions
        Rankings and scores.

    Raises
    ------
    ConfigError
        If the explainer fails; see `veracity.explainers.evaluate.explain`.
    """
    perturbations, flips_of, rows = perturbation_games(excerpts, grid), excerpts.flips, []
    with Progress(len(localised.k), f"{explainer.name} on localised {song}") as progress:
        for k, e, kept in zip(localised.k, localised.excerpt, localised.kept, strict=True):
            perturbed = perturbations[e].inputs(masks_of(np.array([kept]), grid.n_segments))[0]
            names = explainer.name, excerpts.domain, song, int(excerpts.start_frame[e]), int(k)
            answer = explain(
                explainer,
                model,
                perturbed,
                grid,
                flips_of[e].label,
                threshold=flips_of[e].threshold,
                rng=rng_for(seed, "explainer localised", *names),
                clean=excerpts.clean[e],
            )
            confined = Confined(int(k), int(e), int(kept))
            excerpt = PerturbedExcerpt(flips_of[e], all_flips(flips, e), perturbations[e], model)
            scores = recovery(answer.ranking, confined, excerpt)
            rows.append({"ranking": answer.ranking, "n_needed": np.nan, "needed_found": np.nan, **scores})
            progress.advance()
    scores_of = ("n_found", "found_flips", "n_needed", "needed_found")
    columns = {name: np.array([row[name] for row in rows], dtype=float) for name in scores_of}
    return LocalisedAttributions(
        explainer=explainer.name,
        k=localised.k,
        excerpt=localised.excerpt,
        original=localised.original,
        ranking=np.array([row["ranking"] for row in rows], dtype=np.int64).reshape(len(rows), grid.n_segments),
        **columns,
    )
