# The detector: trained here for several seeds, or a checkpoint that is given; its predictions and scores.


localrules:
    imported,
    detector,


rule training:
    input:
        spectrograms_of("train"),
    output:
        checkpoint=update(f"{RESULTS}/training/{{detector}}.pt"),
        curve=update(f"{RESULTS}/training/{{detector}}.csv"),
    log:
        f"{RESULTS}/logs/training/{{detector}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/training/{{detector}}.tsv"
    wildcard_constraints:
        detector="seed[0-9]+",
    priority: priority_of_training
    threads: threads_for("training")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(6000),
        runtime=growing(480),
    params:
        settings=uses("training"),
        order=plainly(names("train")),  # batches are drawn from the songs in the order of their list
        state=state_beside,
        save_every_seconds=config["save_every_seconds"],
        device=plainly(config["device"]),
        code=code("training"),
    script:
        "../scripts/training.py"


rule imported:
    input:
        declared(CHECKPOINT or "{}"),
    output:
        update(f"{RESULTS}/imported/checkpoint.pt"),
    log:
        f"{RESULTS}/logs/imported.log",
    benchmark:
        f"{RESULTS}/benchmarks/imported.tsv"
    params:
        settings=uses("imported"),
        checkpoint=plainly(CHECKPOINT),
        code=code("imported"),
    script:
        "../scripts/imported.py"


rule predictions:
    input:
        detector=lambda wildcards: detector_path(wildcards.detector),
        spectrograms=spectrograms_of("valid", "test"),
    output:
        update(f"{RESULTS}/predictions/{{detector}}.h5"),
    log:
        f"{RESULTS}/logs/predictions/{{detector}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/predictions/{{detector}}.tsv"
    resources:
        gpu=gpus("device"),
    params:
        settings=uses("predictions"),
        device=plainly(config["device"]),
        code=code("predictions"),
    script:
        "../scripts/predictions.py"


rule detector:
    input:
        lambda wildcards: [artefact("predictions", detector=name) for name in DETECTORS],
    output:
        table=update(f"{RESULTS}/tables/detector.csv"),
        page=update(f"{RESULTS}/tables/detector.md"),
    log:
        f"{RESULTS}/logs/detector.log",
    benchmark:
        f"{RESULTS}/benchmarks/detector.tsv"
    params:
        note=plainly(NOTE),
        code=code("detector"),
    script:
        "../scripts/detector.py"
