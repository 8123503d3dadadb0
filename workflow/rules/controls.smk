# Controls, where the correct answer or the chance level is known by construction (target `controls`).


rule planted:
    input:
        detector=lambda wildcards: RUN.detector_path(RUN.attacked),
        audio=audio_of(RUN.names("train")),
    output:
        f"{RESULTS}/planted/cue.pt",
    log:
        log_of("planted"),
    benchmark:
        benchmark_of("planted")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        settings=uses("planted"),
        device=config["device"],
        code=code_of("planted"),
    script:
        "../scripts/planted.py"


rule controlled:
    input:
        unpack(read_by_control),
    output:
        f"{RESULTS}/controlled/{{control}}/{{domain}}/{{song}}.h5",
    log:
        log_of("controlled/{control}/{domain}/{song}"),
    benchmark:
        benchmark_of("controlled/{control}/{domain}/{song}")
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("controlled"),
        device=config["explaining_device"],
        code=code_of("controlled"),
    script:
        "../scripts/controlled.py"
