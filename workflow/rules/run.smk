# All rules of a run. Each variant has a copy of them with a prefix (see Snakefile).


include: "common.smk"
include: "corpus.smk"
include: "detector.smk"
include: "attacks.smk"
include: "explanations.smk"
include: "controls.smk"
include: "compare.smk"
include: "page_table.smk"
include: "pages.smk"
include: "report.smk"


if not VARIANT:  # one plan for the run and all of its variants

    include: "plan.smk"
