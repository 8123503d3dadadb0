# From a folder of songs to their spectrograms.


rule synthetic_corpus:
    output:
        audio=[f"{CORPUS}/audio/{name}.flac" for part in song_names(SYNTHETIC).values() for name in part],
        labels=[f"{CORPUS}/labels/{name}.lab" for part in song_names(SYNTHETIC).values() for name in part],
        lists=[f"{CORPUS}/filelists/{split}" for split in song_names(SYNTHETIC)],
    log:
        f"{RESULTS}/logs/synthetic_corpus.log",
    benchmark:
        f"{RESULTS}/benchmarks/synthetic_corpus.tsv"
    params:
        settings=settings("corpus.synthetic", "frontend.sample_rate"),
        folder=lambda wildcards, output: Path(output.lists[0]).parents[1],
        code=code("synthetic_corpus"),
    script:
        "../scripts/synthetic_corpus.py"


rule download:
    log:
        f"{RESULTS}/logs/download.log",
    benchmark:
        f"{RESULTS}/benchmarks/download.tsv"
    localrule: True
    params:
        url=config["corpus"]["url"],
        folder=config["corpus"]["folder"],
        sha256=config["corpus"]["sha256"],
    script:
        "../scripts/download.py"


rule spectrograms:
    input:
        unpack(song_files),
    output:
        f"{RESULTS}/spectrograms/{{song}}.h5",
    log:
        f"{RESULTS}/logs/spectrograms/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/spectrograms/{{song}}.tsv"
    resources:
        runtime=growing(5),
    params:
        settings=settings("frontend"),
        split=song_split,
        code=code("spectrograms"),
    script:
        "../scripts/spectrograms.py"
