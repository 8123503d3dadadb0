# Excerpts, explanations and flips, with one job for each song and attack, and for each explainer.
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

for stage, read in EXPLAINING.items():

    rule:
        name:
            stage
        input:
            **ATTACKED,
            **{above: made(above) for above in read},
        output:
            f"{RESULTS}/{names_of(stage)}.h5",
        log:
            log_of(names_of(stage)),
        benchmark:
            benchmark_of(names_of(stage))
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


HEARD = ("perturbations", "excerpts", "explanations", "flips")


rule listening:
    input:
        **ATTACKED,
        **{stage: all_of(stage) for stage in HEARD},
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
        settings=RUN.part("frontend", "attacks.seconds", "lime.n_time", "lime.n_band", "lime.fill", "listening"),
        above=lambda wildcards: RUN.digest_of_stages(HEARD),
        songs=RUN.explained,
        audio_digests=lambda wildcards: [RUN.outside("audio", song=name) for name in RUN.explained],
        note=as_it_is(RUN.note),
        code=code("listening", *HEARD),
    script:
        "../scripts/listening.py"
