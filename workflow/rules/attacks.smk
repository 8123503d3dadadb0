# Adversarial attacks on songs: those of the run, and those of the target `tuning` with each setting of its grid.
import os


def longest_first(wildcards):
    """Return a priority from 1 to 2 that increases with the size of the audio file, so that long attacks start first."""
    song = RUN.songs.get(wildcards.song)
    size = os.path.getsize(song.audio) if song and os.path.isfile(song.audio) else 0
    return 2 - 1 / (1 + size / 1e7)


for stage in ("perturbations", "tuning_runs"):

    rule:
        name:
            stage
        input:
            unpack(song_files),
            **ATTACKED,
        output:
            artefact(stage),
        log:
            log_of(stage),
        benchmark:
            benchmark_of(stage)
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
