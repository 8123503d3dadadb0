# Corpus and spectrograms of its songs.
SYNTHETIC = list(RUN.songs) if RUN.is_synthetic else []


rule synthetic_corpus:
    output:
        audio=[f"{RESULTS}/synthetic_corpus/audio/{name}.flac" for name in SYNTHETIC],
        labels=[f"{RESULTS}/synthetic_corpus/labels/{name}.lab" for name in SYNTHETIC],
        lists=[f"{RESULTS}/synthetic_corpus/filelists/{split}" for split in SPLITS if SYNTHETIC],
    log:
        log_of("synthetic_corpus"),
    benchmark:
        benchmark_of("synthetic_corpus")
    params:
        settings=uses("synthetic_corpus"),
        folder=lambda wildcards, output: str(Path(output.lists[0]).parents[1]),
        code=code("synthetic_corpus"),
    script:
        "../scripts/synthetic_corpus.py"


rule download:
    log:
        log_of("download"),
    benchmark:
        benchmark_of("download")
    localrule: True
    params:
        **{key: as_it_is(config["corpus"][key]) for key in ("url", "folder", "sha256")},
    script:
        "../scripts/download.py"


rule spectrograms:
    input:
        unpack(song_files),
    output:
        f"{RESULTS}/spectrograms/{{song}}.h5",
    log:
        log_of("spectrograms/{song}"),
    benchmark:
        benchmark_of("spectrograms/{song}")
    resources:
        serial=1,
        runtime=growing(5),
    params:
        settings=uses("spectrograms"),
        code=code_of("spectrograms"),
    script:
        "../scripts/spectrograms.py"
