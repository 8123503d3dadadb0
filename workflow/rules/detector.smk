# Detectors, either trained with several seeds or imported from a checkpoint, and their predictions.


rule training:
    input:
        spectrograms_of(RUN.names("train")),
    output:
        checkpoint=artefact("training"),
        curve=f"{RESULTS}/training/{{detector}}.csv",
    log:
        log_of("training"),
    benchmark:
        benchmark_of("training")
    wildcard_constraints:
        detector="seed[0-9]+",
    priority: lambda wildcards: 1000 if wildcards.detector == RUN.attacked else 100  # most jobs depend on the attacked detector
    threads: threads_for("training")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(6000),
        runtime=growing(480),
    params:
        **RESUMED,
        settings=uses("training"),
        order=RUN.names("train"),  # batches depend on the order of the songs
        device=untracked(config["device"]),
        code=code_of("training"),
    script:
        "../scripts/training.py"


rule imported:
    input:  # except `pretrained`, whose path changes with the checkout; its digest is in the settings
        RUN.checkpoint if config["detector"]["checkpoint"] not in (None, PRETRAINED) else [],
    output:
        artefact("imported"),
    log:
        log_of("imported"),
    benchmark:
        benchmark_of("imported")
    localrule: True
    params:
        settings=uses("imported"),
        code=code_of("imported"),
    script:
        "../scripts/imported.py"


rule predictions:
    input:
        detector=lambda wildcards: RUN.detector_path(wildcards.detector),
        spectrograms=spectrograms_of(RUN.names("valid", "test")),
    output:
        artefact("predictions"),
    log:
        log_of("predictions"),
    benchmark:
        benchmark_of("predictions")
    resources:
        gpu=gpus("device"),
    params:
        settings=uses("predictions"),
        device=untracked(config["device"]),
        code=code_of("predictions"),
    script:
        "../scripts/predictions.py"
