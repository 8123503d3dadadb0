# All rules of a run. A variant has them once more, under names of its own (see Snakefile).


include: "common.smk"
include: "corpus.smk"
include: "detector.smk"
include: "attacks.smk"
include: "explanations.smk"
include: "controls.smk"
include: "compare.smk"
include: "pages.smk"


if not VARIANT:  # of the run and all of its variants

    include: "plan.smk"
