# Controls, where the correct answer or the chance level is known by construction (target `controls`).


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
