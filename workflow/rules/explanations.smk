# Explanations of the excerpts, and what they are measured against: one job for each song and attack, and for each explainer.


rule explanations:
    input:
        **ATTACKED,
        excerpts=made("excerpts"),
    output:
        f"{RESULTS}/explanations/{{domain}}/{{song}}.h5",
    log:
        log_of("explanations/{domain}/{song}"),
    benchmark:
        benchmark_of("explanations/{domain}/{song}")
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("explanations"),
        device=config["explaining_device"],
        code=code("explanations"),
    script:
        "../scripts/explanations.py"


rule flips:
    input:
        **ATTACKED,
        excerpts=made("excerpts"),
        explanations=made("explanations"),
    output:
        f"{RESULTS}/flips/{{domain}}/{{song}}.h5",
    log:
        log_of("flips/{domain}/{song}"),
    benchmark:
        benchmark_of("flips/{domain}/{song}")
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("flips"),
        device=config["explaining_device"],
        code=code("flips"),
    script:
        "../scripts/flips.py"


rule localised:
    input:
        **ATTACKED,
        excerpts=made("excerpts"),
        flips=made("flips"),
    output:
        f"{RESULTS}/localised/{{domain}}/{{song}}.h5",
    log:
        log_of("localised/{domain}/{song}"),
    benchmark:
        benchmark_of("localised/{domain}/{song}")
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("localised"),
        device=config["explaining_device"],
        code=code("localised"),
    script:
        "../scripts/localised.py"


rule stability:
    input:
        **ATTACKED,
        excerpts=made("excerpts"),
    output:
        f"{RESULTS}/stability/{{domain}}/{{song}}.h5",
    log:
        log_of("stability/{domain}/{song}"),
    benchmark:
        benchmark_of("stability/{domain}/{song}")
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("stability"),
        device=config["explaining_device"],
        code=code("stability"),
    script:
        "../scripts/stability.py"


rule drawings:
    input:
        **ATTACKED,
        spectrogram=made("spectrograms"),
    output:
        f"{RESULTS}/drawings/{{song}}.h5",
    log:
        log_of("drawings/{song}"),
    benchmark:
        benchmark_of("drawings/{song}")
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("drawings"),
        device=config["explaining_device"],
        code=code("drawings"),
    script:
        "../scripts/drawings.py"


rule attributions:
    input:
        **ATTACKED,
        excerpts=made("excerpts"),
    output:
        f"{RESULTS}/attributions/{{explainer}}/{{domain}}/{{song}}.h5",
    log:
        log_of("attributions/{explainer}/{domain}/{song}"),
    benchmark:
        benchmark_of("attributions/{explainer}/{domain}/{song}")
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("attributions"),
        device=config["explaining_device"],
        code=code("attributions"),
    script:
        "../scripts/attributions.py"


rule localised_attributions:
    input:
        **ATTACKED,
        excerpts=made("excerpts"),
        flips=made("flips"),
        localised=made("localised"),
    output:
        f"{RESULTS}/localised_attributions/{{explainer}}/{{domain}}/{{song}}.h5",
    log:
        log_of("localised_attributions/{explainer}/{domain}/{song}"),
    benchmark:
        benchmark_of("localised_attributions/{explainer}/{domain}/{song}")
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("localised_attributions"),
        device=config["explaining_device"],
        code=code("localised_attributions"),
    script:
        "../scripts/localised_attributions.py"


rule listening:
    input:
        **ATTACKED,
        **{stage: per_attack(stage) for stage in ("perturbations", "excerpts", "explanations", "flips")},
        audio=audio_of(RUN.explained),
    output:
        table=f"{RESULTS}/tables/listening.csv",
        page=f"{RESULTS}/tables/listening.md",
        sounds=directory(f"{RESULTS}/listening"),
    log:
        log_of("listening"),
    benchmark:
        benchmark_of("listening")
    params:
        settings=settings("frontend", "attacks.seconds", "lime.n_time", "lime.n_band", "lime.fill", "listening"),
        songs=RUN.explained,
        audio_digests=lambda wildcards: [RUN.outside("audio", RUN.songs.get(name), None, None) for name in RUN.explained],
        note=as_it_is(RUN.note),
        code=code("listening"),
    script:
        "../scripts/listening.py"
