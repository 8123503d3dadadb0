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
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/plan.smk"


rule all:
    default_target: True
    input:
        rules.corpus.output,
        [] if BUILD else rules.detector.output,
        rules.attacks.output,
        rules.table1.output,
        rules.table2.output,
        rules.localisation.output,
        rules.fidelity.output,
        rules.audits.output,
        [] if BUILD else rules.figure1.output,
        rules.figure2.output,
        rules.figure3.output,
        rules.figure4.output,
        [rules.sampling_error.output, rules.figure_stability.output] if HAS_STUDY else [],
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
