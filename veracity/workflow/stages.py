"""Stages of a run: the keys, files and stages on which the artefacts of each stage depend, and the names of artefacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..experiments.controlled import KNOWN_CAUSE

GIVEN = "checkpoint"  # name of a detector that is supplied and not trained


@dataclass(frozen=True)
class Stage:
    """Stage whose artefacts are in the folder of its name.

    Attributes
    ----------
    uses : tuple of str
        Configuration keys on which the artefacts depend; ``{domain}`` stands for the domain of the attack.
    made_from : tuple of str
        Stages whose artefacts the jobs read.
    reads : tuple of str
        External files that the jobs read: names of `veracity.workflow.runs.Run.outside`.
    named_by : tuple of str
        Wildcards in the names of the artefacts.
    file : str
        Path of an artefact in the folder of the stage, by default the wildcards as folders and name of an HDF5 file.
    """

    uses: tuple[str, ...]
    made_from: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    named_by: tuple[str, ...] = ("domain", "song")
    file: str = ""

    def path(self, **names: str) -> str:
        """Return the path of the artefact with the given names in the folder of the stage."""
        return self.file.format(**names) if self.file else "/".join(names[name] for name in self.named_by) + ".h5"


def stages_of(config: Mapping[str, Any]) -> dict[str, Stage]:
    """Return the stages of a run with the given configuration, by name."""
    build, predict = config["model"]["build"], config["model"]["predict"]
    synthetic, given = config["corpus"]["kind"] == "synthetic", bool(config["detector"]["checkpoint"])
    corpus = ("corpus.synthetic",) if synthetic else ()
    if build:  # no detector depends on the songs, so the attack depends on them directly
        model = tuple(f"model.{key}" for key in ("build", "label", "threshold", "hop_seconds"))
        attacked = (*model, *((*corpus, "frontend.sample_rate") if synthetic else ()))
    else:
        model = ("frontend", "model.build", "model.predict", *(["model.threshold"] if predict else []))
        attacked = ("frontend", "model.build", "detector.attacked")
    explained = (*model, *(f"lime.{key}" for key in ("n_time", "n_band", "exact", "evaluator")))
    fitted = (*explained, *(f"lime.{key}" for key in ("n_samples", "kernel_width", "alpha")))
    detector = () if build else ("predictions",)
    own = ("model", "explainer")
    return {
        "synthetic_corpus": Stage(("corpus.synthetic", "frontend.sample_rate"), named_by=(), file="filelists/train"),
        "spectrograms": Stage(
            ("frontend", "corpus.words", *corpus),
            ("synthetic_corpus",) if synthetic else (),
            ("audio", "labels"),
            named_by=("song",),
        ),
        "training": Stage(
            ("frontend", "detector.architecture", "detector.training"),
            ("spectrograms",),
            named_by=("detector",),
            file="{detector}.pt",
        ),
        "imported": Stage(("frontend", "detector.architecture"), reads=("checkpoint",), named_by=(), file=f"{GIVEN}.pt"),
        "predictions": Stage(
            ("frontend", "detector.median_frames", "detector.threshold"),
            ("imported" if given else "training", "spectrograms"),
            named_by=("detector",),
        ),
        "perturbations": Stage(
            (*attacked, "attacks.scope", "attacks.seconds", "attacks.candidates", "attacks.{domain}"),
            detector,
            ("audio", "model") if build else ("audio",),
        ),
        "tuning_runs": Stage(
            ("frontend", "attacks.seconds", "attacks.{domain}"), detector, ("audio",), named_by=("domain", "setting", "song")
        ),
        "excerpts": Stage((*model, "excerpts"), ("perturbations",), ("model",)),
        "explanations": Stage((*fitted, "lime.fills"), ("excerpts",), ("model",)),
        "flips": Stage((*fitted, "flips"), ("explanations",), ("model",)),
        "localised": Stage((*fitted, "lime.fill", "localised.k"), ("flips",), ("model",)),
        "stability": Stage((*fitted, "lime.fill", "stability"), ("excerpts",), ("model",)),
        "drawings": Stage(
            (*fitted, "lime.fill", "drawings"), (*detector, "spectrograms"), ("model", "drawings"), named_by=("song",)
        ),
        "attributions": Stage(explained, ("excerpts",), own, named_by=("explainer", "domain", "song")),
        "localised_attributions": Stage(explained, ("localised",), own, named_by=("explainer", "domain", "song")),
        "shortcut_detector": Stage(("frontend", "controls.shortcut"), detector, ("taught",), named_by=(), file="shortcut.pt"),
        "controlled": Stage(
            (*fitted, "lime.fill", "controls.per_direction"),
            ("predictions", "excerpts", "flips", "shortcut_detector"),  # not all of them for each control
            ("audio", "explainers"),
            named_by=("control", "domain", "song"),
        ),
        "classifier": Stage((*explained, "stability", "explainers", "attacks.seconds"), reads=("model",), named_by=()),
    }


def above(stages: Mapping[str, Stage], name: str) -> set[str]:
    """Return the stages from which a stage is made, directly or through others."""
    return {one for other in stages[name].made_from for one in ({other} | above(stages, other))}


#: Keys that a control uses in addition to those of its stage.
OF_CONTROL: dict[str, tuple[str, ...]] = {
    **{name: ("attacks.seconds", "controls.candidates", "controls.explainers", f"controls.{name}") for name in KNOWN_CAUSE},
    "random_weights": ("controls.explainers",),
}
