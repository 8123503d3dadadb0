# Controls, where the correct answer or the chance level is known by construction (target `controls`).
from veracity.experiments.controlled import KNOWN_CAUSE, SHORTCUT


def read_by_control(wildcards):
    """Return the named inputs of a control: songs if it plants a cause, otherwise excerpts of the study."""
    model = {name: path(wildcards) for name, path in ATTACKED.items()}
    if wildcards.control in KNOWN_CAUSE:
        trained = {"shortcut_detector": RUN.path("shortcut_detector")} if wildcards.control == SHORTCUT else {}
        return model | trained | {"audio": song_files(wildcards)["audio"]}
    stages = ("excerpts", "flips") if wildcards.control == "random_weights" else ("excerpts",)
    return model | {stage: made(stage)(wildcards) for stage in stages}


rule shortcut_detector:
    input:
        detector=DETECTOR["detector"],
        audio=audio_of(RUN.names("train")),
    output:
        artefact("shortcut_detector"),
    log:
        log_of("shortcut_detector"),
    benchmark:
        benchmark_of("shortcut_detector")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        settings=uses("shortcut_detector"),
        device=untracked(config["device"]),
        code=code_of("shortcut_detector"),
    script:
        "../scripts/shortcut_detector.py"


rule controlled:
    input:
        unpack(read_by_control),
    output:
        artefact("controlled"),
    log:
        log_of("controlled"),
    benchmark:
        benchmark_of("controlled")
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("controlled"),
        device=untracked(config["explaining_device"]),
        code=code_of("controlled"),
    script:
        "../scripts/controlled.py"
