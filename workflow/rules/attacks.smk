# Adversarial attacks on songs.


rule classifier:
    output:
        table=f"{RESULTS}/tables/classifier.csv",
        page=f"{RESULTS}/tables/classifier.md",
    log:
        log_of("classifier"),
    benchmark:
        benchmark_of("classifier")
    # This rule runs first, because it checks the classifier. It is not an input of attacks, because a change of explanation
    # settings would then re-run all attacks.
    priority: 1000
    params:
        settings=uses("classifier"),
        note=as_it_is(RUN.note),
        code=code_of("classifier"),
    script:
        "../scripts/classifier.py"


# Attacks of the run, and with each setting of the grid of `tuning`.
ATTACKS = {
    "perturbations": "h5",
    "tuning_runs": "json",
}

for stage, kind in ATTACKS.items():

    rule:
        name:
            stage
        input:
            unpack(song_files),
            **ATTACKED,
        output:
            f"{RESULTS}/{names_of(stage)}.{kind}",
        log:
            log_of(names_of(stage)),
        benchmark:
            benchmark_of(names_of(stage))
        priority: longest_first
        threads: threads_for(stage)
        resources:
            gpu=gpus("device"),
            mem_mb=growing(6000),
            runtime=growing(240),
        params:
            **RESUMED,
            settings=uses(stage),
            chunk_frames=untracked(config["attacks"]["chunk_frames"]),
            device=untracked(config["device"]),
            stage=stage,
            code=code_of(stage),
        script:
            "../scripts/{params.stage}.py"  # from params, because `stage` has its last value when the job runs
