# Controls: the same explainers where the right answer, or chance, is known by construction (target `controls`).


localrules:
    controls,


rule planted:
    input:
        detector=lambda wildcards: detector_path(ATTACKED_DETECTOR),
        audio=[declared(SONGS[name][1]) for name in names("train")],
    output:
        update(f"{RESULTS}/planted/cue.pt"),
    log:
        f"{RESULTS}/logs/planted.log",
    benchmark:
        f"{RESULTS}/benchmarks/planted.tsv"
    resources:
        gpu=gpus("device"),
        mem_mb=growing(3000),
        runtime=growing(60),
    params:
        settings=uses("planted"),
        paths=plainly([SONGS[name][1] for name in names("train")]),
        device=plainly(config["device"]),
        code=code("planted"),
    script:
        "../scripts/planted.py"


rule controlled:
    input:
        unpack(read_by_control),
    output:
        update(f"{RESULTS}/controlled/{{control}}/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/controlled/{{control}}/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/controlled/{{control}}/{{domain}}/{{song}}.tsv"
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("controlled"),
        paths=song_paths,
        device=plainly(config["explaining_device"]),
        code=code("controlled"),
    script:
        "../scripts/controlled.py"


rule controls:
    input:
        controlled_of_all,
    output:
        table=update(f"{RESULTS}/tables/controls.csv"),
        page=update(f"{RESULTS}/tables/controls.md"),
        excerpts=update(f"{RESULTS}/tables/controls_by_excerpt.csv"),
        png=update(f"{RESULTS}/figures/controls.png"),
        pdf=update(f"{RESULTS}/figures/controls.pdf"),
    log:
        f"{RESULTS}/logs/controls.log",
    benchmark:
        f"{RESULTS}/benchmarks/controls.tsv"
    params:
        seed=config["seed"],
        margin=config["controls"]["margin"],
        left_out=plainly(LEFT_OUT),
        note=plainly(NOTE),
        code=code("controls"),
    script:
        "../scripts/controls.py"
