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


rule perturbations:
    input:
        unpack(song_files),
        **ATTACKED,
    output:
        f"{RESULTS}/perturbations/{{domain}}/{{song}}.h5",
    log:
        log_of("perturbations/{domain}/{song}"),
    benchmark:
        benchmark_of("perturbations/{domain}/{song}")
    priority: longest_first
    threads: threads_for("perturbations")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(6000),
        runtime=growing(240),
    params:
        **RESUMED,
        settings=uses("perturbations"),
        chunk_frames=config["attacks"]["chunk_frames"],
        device=config["device"],
        code=code_of("perturbations"),
    script:
        "../scripts/perturbations.py"


rule tuning_runs:
    input:
        unpack(song_files),
        **ATTACKED,
    output:
        f"{RESULTS}/tuning_runs/{{domain}}/{{setting}}/{{song}}.json",
    log:
        log_of("tuning_runs/{domain}/{setting}/{song}"),
    benchmark:
        benchmark_of("tuning_runs/{domain}/{setting}/{song}")
    priority: longest_first
    threads: threads_for("tuning_runs")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(6000),
        runtime=growing(240),
    params:
        **RESUMED,
        settings=uses("tuning_runs"),
        chunk_frames=config["attacks"]["chunk_frames"],
        device=config["device"],
        code=code_of("tuning_runs"),
    script:
        "../scripts/tuning_runs.py"
