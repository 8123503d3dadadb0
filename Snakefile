# The paper's experiment from audio to every figure and table; README.md tells what to run, config/config.yaml what it means.
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


configfile: Path(workflow.basedir) / "config" / "config.yaml"


container: "veracity.sif"  # used with --sdm apptainer only; Dockerfile tells how to build it


include: "workflow/rules/common.smk"
include: "workflow/rules/corpus.smk"
include: "workflow/rules/detector.smk"
include: "workflow/rules/attacks.smk"
include: "workflow/rules/explanations.smk"
include: "workflow/rules/explainers.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/truth.smk"
include: "workflow/rules/controls.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"


rule all:
    default_target: True
    input:
        [getattr(rules, name).output for name in dict.fromkeys((*TABLES, *FIGURES))],
    localrule: True


onstart:
    if not runs.was_moved(RESULTS):
        runs.write_mark(RESULTS, STALE)


onsuccess:
    settle()
    tell_warnings()


onerror:
    settle()
    tell_warnings()
