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
        code=code_of("synthetic_corpus"),
    script:
        "../scripts/synthetic_corpus.py"


# Without an output, so that it runs only on request.
rule download:
    log:
        log_of("download"),
    benchmark:
        benchmark_of("download")
    localrule: True
    params:
        **as_they_are(keys("corpus.url", "corpus.folder", "corpus.sha256")),
    script:
        "../scripts/download.py"


rule spectrograms:
    input:
        unpack(song_files),
    output:
        artefact("spectrograms"),
    log:
        log_of("spectrograms"),
    benchmark:
        benchmark_of("spectrograms")
    resources:
        serial=1,
        runtime=growing(5),
    params:
        settings=uses("spectrograms"),
        code=code_of("spectrograms"),
    script:
        "../scripts/spectrograms.py"
