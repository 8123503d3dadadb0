# Excerpts, explanations and flips, with one job for each song and attack, and for each explainer.
# veracity/workflow/stages.py declares the keys, files and stages on which the artefacts of each stage depend.
# Inputs of the stages in addition to the attacked model.
EXPLAINING = {
    "excerpts": ["perturbations"],
    "explanations": ["excerpts"],
    "flips": ["excerpts", "explanations"],
    "localised": ["excerpts", "flips"],
    "stability": ["excerpts"],
    "drawings": ["spectrograms"],
    "attributions": ["excerpts"],
    "localised_attributions": ["excerpts", "flips", "localised"],
}

for stage, inputs in EXPLAINING.items():

    rule:
        name:
            stage
        input:
            **ATTACKED,
            **{name: made(name) for name in inputs},
        output:
            artefact(stage),
        log:
            log_of(stage),
        benchmark:
            benchmark_of(stage)
        resources:
            serial=1,
            gpu=gpus("explaining_device"),
            mem_mb=growing(3000),
        params:
            settings=uses(stage),
            device=untracked(config["explaining_device"]),
            stage=stage,
            code=code_of(stage),
        script:
            "../scripts/{params.stage}.py"  # from params, because `stage` has its last value when the job runs
