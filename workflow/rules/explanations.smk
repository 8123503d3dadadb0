# Explanations of the excerpts, and what they are measured against; one job for each song and attack.


rule explanations:
    input:
        **SONG_MODEL,
        excerpts=made("excerpts"),
    output:
        update(f"{RESULTS}/explanations/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/explanations/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/explanations/{{domain}}/{{song}}.tsv"
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("explanations"),
        device=plainly(config["explaining_device"]),
        code=code("explanations"),
    script:
        "../scripts/explanations.py"


rule flips:
    input:
        **SONG_MODEL,
        excerpts=made("excerpts"),
        explanations=made("explanations"),
    output:
        update(f"{RESULTS}/flips/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/flips/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/flips/{{domain}}/{{song}}.tsv"
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("flips"),
        device=plainly(config["explaining_device"]),
        code=code("flips"),
    script:
        "../scripts/flips.py"


rule localised:
    input:
        **SONG_MODEL,
        excerpts=made("excerpts"),
        flips=made("flips"),
    output:
        update(f"{RESULTS}/localised/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/localised/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/localised/{{domain}}/{{song}}.tsv"
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("localised"),
        device=plainly(config["explaining_device"]),
        code=code("localised"),
    script:
        "../scripts/localised.py"


rule stability:
    input:
        **SONG_MODEL,
        excerpts=made("excerpts"),
    output:
        update(f"{RESULTS}/stability/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/stability/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/stability/{{domain}}/{{song}}.tsv"
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("stability"),
        device=plainly(config["explaining_device"]),
        code=code("stability"),
    script:
        "../scripts/stability.py"


rule listening:
    input:
        **SONG_MODEL,
        **{stage: per_attack(stage) for stage in ("perturbations", "excerpts", "explanations", "flips")},
        audio=[declared(SONGS[name][1]) for name in explained_songs() if name in SONGS],
    output:
        table=update(f"{RESULTS}/tables/listening.csv"),
        page=update(f"{RESULTS}/tables/listening.md"),
        sounds=directory(f"{RESULTS}/listening"),
    log:
        f"{RESULTS}/logs/listening.log",
    benchmark:
        f"{RESULTS}/benchmarks/listening.tsv"
    params:
        settings=settings("frontend", "attacks.seconds", "lime.n_time", "lime.n_band", "lime.fill", "listening"),
        audio=plainly({name: SONGS[name][1] for name in explained_songs() if name in SONGS}),
        heard=lambda wildcards: (
            {} if SYNTHETIC else {name: OUTSIDE.digest(SONGS[name][1]) for name in explained_songs() if name in SONGS}
        ),
        note=plainly(NOTE),
        code=code("listening"),
    script:
        "../scripts/listening.py"


rule drawings:
    input:
        **SONG_MODEL,
        spectrogram=made("spectrograms"),
    output:
        update(f"{RESULTS}/drawings/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/drawings/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/drawings/{{song}}.tsv"
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("drawings"),
        device=plainly(config["explaining_device"]),
        code=code("drawings"),
    script:
        "../scripts/drawings.py"
