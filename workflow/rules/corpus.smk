# From a folder of songs to their spectrograms, and what is to be said of them.


rule synthetic_corpus:
    output:
        audio=update([f"{RESULTS}/synthetic_corpus/audio/{name}.flac" for part in SYNTHETIC.values() for name in part]),
        labels=update([f"{RESULTS}/synthetic_corpus/labels/{name}.lab" for part in SYNTHETIC.values() for name in part]),
        lists=update([f"{RESULTS}/synthetic_corpus/filelists/{split}" for split in SYNTHETIC]),
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
        url=plainly(config["corpus"]["url"]),
        folder=plainly(config["corpus"]["folder"]),
        sha256=plainly(config["corpus"]["sha256"]),
    script:
        "../scripts/download.py"


rule spectrograms:
    input:
        unpack(song_files),
    output:
        update(f"{RESULTS}/spectrograms/{{song}}.h5"),
    log:
        f"{RESULTS}/logs/spectrograms/{{song}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/spectrograms/{{song}}.tsv"
    resources:
        turn=1,
        runtime=growing(5),
    params:
        settings=uses("spectrograms"),
        paths=song_paths,
        split=lambda wildcards: SONGS[wildcards.song][0] if wildcards.song in SONGS else None,
        code=code("spectrograms"),
    script:
        "../scripts/spectrograms.py"


rule corpus:
    input:
        lambda wildcards: [artefact("spectrograms", song=name) for name in decoded_songs()],
    output:
        table=update(f"{RESULTS}/tables/corpus.csv"),
        page=update(f"{RESULTS}/tables/corpus.md"),
    log:
        f"{RESULTS}/logs/corpus.log",
    benchmark:
        f"{RESULTS}/benchmarks/corpus.tsv"
    params:
        note=plainly(NOTE),
        code=code("corpus"),
    script:
        "../scripts/corpus.py"
