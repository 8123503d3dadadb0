# Explainers beside the paper's LIME: one job for each explainer, song and attack, so that another one re-runs none of these.


rule attributions:
    input:
        **SONG_MODEL,
        excerpts=made("excerpts"),
    output:
        update(f"{RESULTS}/attributions/{{explainer}}/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/attributions/{{explainer}}/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/attributions/{{explainer}}/{{domain}}/{{song}}.tsv"
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("attributions"),
        device=plainly(config["explaining_device"]),
        code=code("attributions"),
    script:
        "../scripts/attributions.py"


rule localised_attributions:
    input:
        **SONG_MODEL,
        excerpts=made("excerpts"),
        flips=made("flips"),
        localised=made("localised"),
    output:
        update(f"{RESULTS}/localised_attributions/{{explainer}}/{{domain}}/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/localised_attributions/{{explainer}}/{{domain}}/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/localised_attributions/{{explainer}}/{{domain}}/{{song}}.tsv"
    resources:
        gpu=gpus("explaining_device"),
        mem_mb=growing(3000),
    params:
        settings=uses("localised_attributions"),
        device=plainly(config["explaining_device"]),
        code=code("localised_attributions"),
    script:
        "../scripts/localised_attributions.py"
