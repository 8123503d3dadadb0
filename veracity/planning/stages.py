"""What the jobs of each stage read of other stages: the DAG in small, for simulating it and for sharing its parts.

The rules in ``workflow/rules`` declare the same for each file; tests/test_variants.py compares the two.
"""

from typing import NamedTuple

# Which artefacts of a stage are read: that of the same song and attack (or detector), that of the attacked detector, those of
# all songs of a kind, or all.
SAME, ATTACKED, TRAIN, SCORED, ALL = "same", "attacked", "train", "scored", "all"
JUDGING = ("attributions", "localised_attributions")  # one job for each explainer, too
READS: dict[str, dict[str, str]] = {
    "spectrograms": {"synthetic_corpus": ALL},
    "training": {"spectrograms": TRAIN},
    "predictions": {"training": SAME, "imported": ALL, "spectrograms": SCORED},
    "perturbations": {"predictions": ATTACKED},
    "excerpts": {"perturbations": SAME},
    "explanations": {"excerpts": SAME},
    "flips": {"excerpts": SAME, "explanations": SAME},
    "localised": {"excerpts": SAME, "flips": SAME},
    "stability": {"excerpts": SAME},
    "drawings": {"predictions": ATTACKED, "spectrograms": SAME},
    JUDGING[0]: {"excerpts": SAME},
    JUDGING[1]: {"flips": SAME, "localised": SAME},
    "planted": {"predictions": ATTACKED},
    "controlled": {"flips": ALL, "planted": ALL},  # more than some of them need
}
#: What a file of each stage is named by; of the others by ("domain", "song").
NAMED_BY = {
    "spectrograms": ("song",),
    "training": ("detector",),
    "imported": (),
    "predictions": ("detector",),
    "drawings": ("song",),
    **dict.fromkeys(JUDGING, ("explainer", "domain", "song")),
}
GIVEN = "checkpoint"  # the detector that is not trained here


class Artefact(NamedTuple):
    """A file of a run.

    Attributes
    ----------
    stage : str
        As its folder and the rule are called.
    song, domain, detector, explainer : str or None
        Those of `NAMED_BY`.
    """

    stage: str
    song: str | None = None
    domain: str | None = None
    detector: str | None = None
    explainer: str | None = None

    @property
    def path(self) -> str:
        """Where it lies in the folder of a run."""
        if self.stage == "imported":
            return f"imported/{GIVEN}.pt"
        names = [str(getattr(self, name)) for name in NAMED_BY.get(self.stage, ("domain", "song"))]
        return "/".join([self.stage, *names]) + (".pt" if self.stage == "training" else ".h5")
