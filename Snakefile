# The experiment of the paper, from audio to all figures and tables. See README.md for commands and config/config.yaml for keys.
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


configfile: Path(workflow.basedir) / "config" / "config.yaml"


container: "veracity.sif"  # used only with --sdm apptainer; build instructions are in Dockerfile


include: "workflow/rules/run.smk"


rule all:
    default_target: True
    input:
        [getattr(rules, name).output for name in ALL],
    localrule: True


# Rules of the variant eps_small are named eps_small__perturbations and so on; see docs/variants.md. They are part of `all` only
# as far as the table `compare` reads their artefacts.
for variant in config["variants"]:
    module_name, prefix = f"variant__{variant}", f"{variant}__"

    module:
        name: module_name
        snakefile:
            "workflow/rules/run.smk"
        config:
            {"base": BASE_CONFIG}

    use rule * from module_name as prefix*


onstart:
    mark_all()
    save_memories()


onsuccess:
    mark_all()
    tell_warnings()


onerror:
    mark_all()
    tell_warnings()
