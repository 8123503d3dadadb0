"""Stages of a run: the keys, files and stages on which the artefacts of each stage depend, and the names of artefacts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..experiments.controlled import KNOWN_CAUSE, SHORTCUT

GIVEN = "checkpoint"  # name of a detector that is supplied and not trained
SETTING = "{domain}/{setting}/{song}.json"  # path of a run of the target `tuning`
BUILT = tuple(f"model.{key}" for key in ("build", "label", "threshold", "hop_seconds"))  # keys of a custom classifier


@dataclass(frozen=True)
class Stage:
    """Stage, with its artefacts in the folder of the same name."""

    uses: tuple[str, ...]  # configuration keys; {domain} stands for the domain of the attack
    made_from: tuple[str, ...] = ()  # stages whose artefacts the jobs read
    reads: tuple[str, ...] = ()  # external files that the jobs read, by their names in `veracity.workflow.runs.Run.outside`
    named_by: tuple[str, ...] = ("domain", "song")  # wildcards in the names of the artefacts
    file: str = ""  # path in the folder of the stage, by default of an HDF5 file with the wildcards as folders and name

    @property
    def pattern(self) -> str:
        """Path of an artefact in the folder of the stage, with wildcards."""
        return self.file or "/".join(f"{{{name}}}" for name in self.named_by) + ".h5"


def stages_of(config: Mapping[str, Any]) -> dict[str, Stage]:
    """Return the stages of a run with the given configuration, by name."""
    detector = "imported" if config["detector"]["checkpoint"] else "training"
    corpus, made_from = (("corpus.synthetic",), ("synthetic_corpus",)) if _is_synthetic(config) else ((), ())
    return {
        "synthetic_corpus": Stage(("corpus.synthetic", "frontend.sample_rate"), named_by=(), file="filelists/train"),
        "spectrograms": Stage(("frontend", "corpus.words", *corpus), made_from, ("audio", "labels"), ("song",)),
        "training": Stage(
            ("frontend", "detector.architecture", "detector.training"),
            ("spectrograms",),
            named_by=("detector",),
            file="{detector}.pt",
        ),
        "imported": Stage(("frontend", "detector.architecture"), (), ("checkpoint",), (), f"{GIVEN}.pt"),
        "predictions": Stage(
            ("frontend", "detector.median_frames", "detector.threshold"),
            (detector, "spectrograms"),
            named_by=("detector",),
        ),
        **_attacks(config),
        **_explanations(config),
    }


def _is_synthetic(config: Mapping[str, Any]) -> bool:
    return config["corpus"]["kind"] == "synthetic"


def _attacks(config: Mapping[str, Any]) -> dict[str, Stage]:
    """Return the stages that attack songs."""
    build = config["model"]["build"]
    corpus = ("corpus.synthetic", "frontend.sample_rate") if _is_synthetic(config) else ()
    # A custom classifier does not depend on the songs, so the attack must depend on them directly.
    attacked = (*BUILT, *corpus) if build else ("frontend", "model.build", "detector.attacked")
    detector, reads = () if build else ("predictions",), ("audio", "model") if build else ("audio",)
    scope = ("attacks.scope", "attacks.seconds", "attacks.candidates")
    return {
        "perturbations": Stage((*attacked, *scope, "attacks.{domain}"), detector, reads),
        "tuning_runs": Stage(
            ("frontend", "attacks.seconds", "attacks.{domain}"), detector, ("audio",), ("domain", "setting", "song"), SETTING
        ),
    }


def _explanations(config: Mapping[str, Any]) -> dict[str, Stage]:
    """Return the stages that explain the model."""
    build, predict = config["model"]["build"], config["model"]["predict"]
    model = BUILT if build else ("frontend", "model.build", "model.predict", *(["model.threshold"] if predict else []))
    explained = (*model, *(f"lime.{key}" for key in ("n_time", "n_band", "exact", "evaluator")))
    fitted = (*explained, *(f"lime.{key}" for key in ("n_samples", "kernel_width", "alpha")))
    filled, detector = (*fitted, "lime.fill"), () if build else ("predictions",)
    by_explainer = ("explainer", "domain", "song")
    return {
        "excerpts": Stage((*model, "excerpts"), ("perturbations",), ("model",)),
        "explanations": Stage((*fitted, "lime.fills"), ("excerpts",), ("model",)),
        "flips": Stage((*fitted, "flips"), ("explanations",), ("model",)),
        "localised": Stage((*filled, "localised.k"), ("flips",), ("model",)),
        "stability": Stage((*filled, "stability"), ("excerpts",), ("model",)),
        "drawings": Stage((*filled, "drawings"), (*detector, "spectrograms"), ("model", "drawings"), ("song",)),
        "attributions": Stage(explained, ("excerpts",), ("model", "explainer"), by_explainer),
        "localised_attributions": Stage(explained, ("localised",), ("model", "explainer"), by_explainer),
        "shortcut_detector": Stage(("frontend", "controls.shortcut"), detector, ("taught",), (), "shortcut.pt"),
        "controlled": Stage(
            (*filled, "controls.per_direction"),
            ("predictions", "excerpts", "flips", "shortcut_detector"),  # one of them for each control
            ("audio", "explainers"),
            ("control", "domain", "song"),
        ),
        "classifier": Stage((*explained, "stability", "explainers", "attacks.seconds"), (), ("model",), ()),
    }


def upstream(stages: Mapping[str, Stage], name: str) -> set[str]:
    """Return the stages from which a stage is made, directly or through others."""
    return {one for other in stages[name].made_from for one in ({other} | upstream(stages, other))}


#: Keys that a control uses in addition to those of its stage.
OF_CONTROL: dict[str, tuple[str, ...]] = {
    **{name: ("attacks.seconds", "controls.candidates", "controls.explainers", f"controls.{name}") for name in KNOWN_CAUSE},
    "random_weights": ("controls.explainers",),
}
#: Stage from which a control is made; all others are made from excerpts.
CONTROL_MADE_FROM = {"confined": "predictions", SHORTCUT: "shortcut_detector", "random_weights": "flips"}
