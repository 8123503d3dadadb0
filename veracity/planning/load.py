"""Amount of work of each job, derived from configuration and songs."""

from collections.abc import Mapping
from typing import Any

from .dag import Job, SongLength

POOLED = "tables and figures"
#: Rules of computations; all other rules write tables and figures.
STAGES = (
    *("synthetic_corpus", "spectrograms", "imported", "training", "predictions", "perturbations", "excerpts", "explanations"),
    *("flips", "localised", "stability", "drawings", "attributions", "localised_attributions"),
    *("shortcut_detector", "controlled"),
)
PASSES = 2  # work of an attack beyond its updates, in updates: the last gradient and the predictions


def kind_of(job: Job) -> str:
    """Return the kind of a job; the costs of jobs of one kind differ only by their work."""
    if job.rule == "perturbations":
        return f"perturbations {job.wildcards['domain']}"
    if job.rule in ("attributions", "localised_attributions"):
        return f"attributions {job.wildcards['explainer']}"
    if job.rule == "controlled":
        return f"controlled {'grids' if job.wildcards['control'].startswith('grid_') else 'explainers'}"
    if job.rule in STAGES:
        return job.rule
    return "figure" if any(path.endswith(".png") for path in job.outputs) else "table"


def load(
    job: Job,
    config: Mapping[str, Any],
    songs: Mapping[str, SongLength],
    *,
    excerpts: int | None = None,
    updates: int | None = None,
) -> tuple[float, float]:
    """Return the work of a job, which determines its time, and its size, which determines its memory and files.

    Parameters
    ----------
    job : Job
        Job of a run.
    config : mapping
        Complete configuration of the run or variant of the job.
    songs : mapping of str to Song
        Songs of the run by name.
    excerpts, updates : int, optional
        Numbers of explained excerpts and of updates of an attack, by default the maxima of the configuration.

    Returns
    -------
    work, size : float
        Seconds of audio, excerpts or games. The work of an attack is the length in seconds times the number of updates, that of
        training is the number of updates.
    """
    attacks, per_direction = config["attacks"], 2 * config["controls"]["per_direction"]
    seconds = songs[job.wildcards["song"]].seconds if job.wildcards.get("song") in songs else 0.0
    attacked, n = min(seconds, attacks["seconds"] or seconds), 2 * config["excerpts"]["per_direction"]
    if attacks["scope"] == "excerpt":
        attacked, n = attacks["candidates"] * excerpt_seconds(config), min(n, attacks["candidates"])
    n = n if excerpts is None else excerpts
    if job.rule == "perturbations":
        updates = attacks[job.wildcards["domain"]]["max_updates"] if updates is None else updates
        return attacked * (updates + PASSES), attacked
    if job.rule == "training":
        return config["detector"]["training"]["n_updates"], sum(one.seconds for one in songs.values() if one.split == "train")
    n_games = n * len(config["localised"]["k"])
    work = {
        "synthetic_corpus": sum(one.seconds for one in songs.values()),
        "spectrograms": seconds,
        "predictions": sum(one.seconds for one in songs.values() if one.split != "train"),
        "excerpts": attacked,
        "explanations": n * len(config["lime"]["fills"]),
        "flips": n,
        "localised": n_games,
        "stability": min(n, 2 * config["stability"]["per_direction"])
        * (config["stability"]["n_repeats"] + 2),  # evaluating all masks takes as long as two repeats
        "attributions": n,
        "localised_attributions": n_games,
        "shortcut_detector": config["controls"]["shortcut"]["n_updates"],
        "controlled": 2 * per_direction if job.wildcards.get("control") == "shortcut" else min(n, per_direction),
    }.get(job.rule, 0.0)
    return work, work


def excerpt_seconds(config: Mapping[str, Any]) -> float:
    """Return the length of an excerpt of the detector in seconds."""
    frontend = config["frontend"]
    return frontend["excerpt_frames"] * frontend["hop_samples"] / frontend["sample_rate"]
