# Adversarial perturbations of songs, and the excerpts whose label they flip.


localrules:
    attacks,


rule classifier:
    output:
        table=update(f"{RESULTS}/tables/classifier.csv"),
        page=update(f"{RESULTS}/tables/classifier.md"),
    log:
        f"{RESULTS}/logs/classifier.log",
    benchmark:
        f"{RESULTS}/benchmarks/classifier.tsv"
    # First of all: it says what cannot be asked of the classifier. No attack has it as input: what is asked of explanations would
    # re-run attacks, and an `ancient` input hides from Snakemake 9.27 that parameters of what reads it have changed.
    priority: 1000
    params:
        settings=uses("classifier"),
        note=plainly(NOTE),
        code=code("classifier"),
    script:
        "../scripts/classifier.py"


rule perturbations:
    input:
        unpack(song_files),
        **SONG_MODEL,
    output:
        update(f"{RESULTS}/perturbations/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/perturbations/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/perturbations/{{domain}}/{{song}}.tsv"
    priority: priority_of_attack
    threads: threads_for("perturbations")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(6000),
        runtime=growing(240),
    params:
        settings=uses("perturbations"),
        paths=song_paths,
        chunk_frames=config["attacks"]["chunk_frames"],
        state=state_beside,
        save_every_seconds=config["save_every_seconds"],
        device=plainly(config["device"]),
        code=code("perturbations"),
    script:
        "../scripts/perturbations.py"


rule excerpts:
    input:
        **SONG_MODEL,
        perturbation=made("perturbations"),
    output:
        update(f"{RESULTS}/excerpts/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/excerpts/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/excerpts/{{domain}}/{{song}}.tsv"
    resources:
        turn=1,
        gpu=gpus("explaining_device"),
        runtime=growing(15),
    params:
        settings=uses("excerpts"),
        device=plainly(config["explaining_device"]),
        code=code("excerpts"),
    script:
        "../scripts/excerpts.py"


rule attacks:
    input:
        perturbations=per_attack("perturbations"),
        excerpts=per_attack("excerpts"),
    output:
        table=update(f"{RESULTS}/tables/attacks.csv"),
        page=update(f"{RESULTS}/tables/attacks.md"),
    log:
        f"{RESULTS}/logs/attacks.log",
    benchmark:
        f"{RESULTS}/benchmarks/attacks.tsv"
    params:
        note=plainly(NOTE),
        called=plainly(CALLED),
        code=code("attacks"),
    script:
        "../scripts/attacks.py"


rule tuning_runs:
    input:
        unpack(song_files),
        **SONG_MODEL,
    output:
        update(f"{RESULTS}/tuning_runs/{{domain}}/{{setting}}/{{song}}.json"),
    log:
        f"{RESULTS}/logs/tuning_runs/{{domain}}/{{setting}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tuning_runs/{{domain}}/{{setting}}/{{song}}.tsv"
    priority: priority_of_attack
    threads: threads_for("tuning_runs")
    resources:
        gpu=gpus("device"),
        mem_mb=growing(6000),
        runtime=growing(240),
    params:
        settings=uses("tuning_runs"),
        paths=song_paths,
        chunk_frames=config["attacks"]["chunk_frames"],
        state=state_beside,
        save_every_seconds=config["save_every_seconds"],
        device=plainly(config["device"]),
        code=code("tuning_runs"),
    script:
        "../scripts/tuning_runs.py"


rule tuning:
    input:
        tuning_runs_of_all,
    output:
        table=update(f"{RESULTS}/tables/tuning.csv"),
        page=update(f"{RESULTS}/tables/tuning.md"),
    log:
        f"{RESULTS}/logs/tuning.log",
    benchmark:
        f"{RESULTS}/benchmarks/tuning.tsv"
    params:
        note=plainly(NOTE),
        code=code("tuning"),
    script:
        "../scripts/tuning.py"
