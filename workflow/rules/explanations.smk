# Explanations of the excerpts, and what they are measured against; one job for each song and attack.


rule explanations:
    input:
        excerpts=f"{RESULTS}/excerpts/{{domain}}/{{song}}.h5",
        **SONG_MODEL,
    output:
        f"{RESULTS}/explanations/{{domain}}/{{song}}.h5",
    log:
        f"{RESULTS}/logs/explanations/{{domain}}/{{song}}.log",
    params:
        settings=settings(*EXPLAINED),
        code=code("explanations"),
    resources:
        gpu=1,
        mem_mb=3000,
    script:
        "../scripts/explanations.py"


rule flips:
    input:
        excerpts=f"{RESULTS}/excerpts/{{domain}}/{{song}}.h5",
        explanations=f"{RESULTS}/explanations/{{domain}}/{{song}}.h5",
        **SONG_MODEL,
    output:
        f"{RESULTS}/flips/{{domain}}/{{song}}.h5",
    log:
        f"{RESULTS}/logs/flips/{{domain}}/{{song}}.log",
    params:
        settings=settings(*EXPLAINED),
        code=code("flips"),
    resources:
        gpu=1,
        mem_mb=3000,
    script:
        "../scripts/flips.py"


rule localised:
    input:
        excerpts=f"{RESULTS}/excerpts/{{domain}}/{{song}}.h5",
        flips=f"{RESULTS}/flips/{{domain}}/{{song}}.h5",
        **SONG_MODEL,
    output:
        f"{RESULTS}/localised/{{domain}}/{{song}}.h5",
    log:
        f"{RESULTS}/logs/localised/{{domain}}/{{song}}.log",
    params:
        settings=settings(*EXPLAINED, "localised"),
        code=code("localised"),
    resources:
        gpu=1,
        mem_mb=3000,
    script:
        "../scripts/localised.py"


rule stability_study:
    input:
        excerpts=f"{RESULTS}/excerpts/{{domain}}/{{song}}.h5",
        **SONG_MODEL,
    output:
        f"{RESULTS}/stability_study/{{domain}}/{{song}}.h5",
    log:
        f"{RESULTS}/logs/stability_study/{{domain}}/{{song}}.log",
    params:
        settings=settings(*EXPLAINED, "stability"),
        code=code("stability_study"),
    resources:
        gpu=1,
        mem_mb=3000,
    script:
        "../scripts/stability_study.py"


rule drawings:
    input:
        spectrogram=f"{RESULTS}/spectrograms/{{song}}.h5",
        **SONG_MODEL,
    output:
        f"{RESULTS}/drawings/{{song}}.h5",
    log:
        f"{RESULTS}/logs/drawings/{{song}}.log",
    params:
        settings=settings(*EXPLAINED, "frontend", "drawings"),
        code=code("drawings"),
    resources:
        gpu=1,
        mem_mb=3000,
    script:
        "../scripts/drawings.py"
