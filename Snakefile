# The paper's experiment from audio to every figure and table; README.md tells what to run, config/config.yaml what it means.
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


configfile: Path(workflow.basedir) / "config" / "config.yaml"


container: "veracity.sif"  # used with --sdm apptainer only; Dockerfile tells how to build it


include: "workflow/rules/run.smk"


rule all:
    default_target: True
    input:
        [getattr(rules, name).output for name in dict.fromkeys((*TABLES, *FIGURES))],
    localrule: True


# The rules of variant eps_small are called eps_small__perturbations and so on; docs/variants.md.
for variant, settings_of_variant in VARIANTS.items():
    module_name, prefix = f"variant__{variant}", f"{variant}__"

    module:
        name: module_name
        snakefile:
            "workflow/rules/run.smk"
        config:
            {**settings_of_variant, "runs": RUNS, "outside": OUTSIDE}

    use rule * from module_name as prefix*


MODULES = [globals()[f"variant__{name}"] for name in VARIANTS]
tell_shared()


onstart:
    begin()
    for one in MODULES:
        one.begin()


onsuccess:
    end()
    for one in MODULES:
        one.end()


onerror:
    end()
    for one in MODULES:
        one.end()
