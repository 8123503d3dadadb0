# The run and its variants side by side: inputs and parameters of the pages `compare` and `variant_costs`.


def compared():
    """Return for the base and each variant what is read of it."""
    shared = set(RUN.paths("excerpts"))
    return [
        {
            "name": name or BASE,
            "fill": run.config["lime"]["fill"],
            "n_segments": run.config["lime"]["n_time"] * run.config["lime"]["n_band"],
            "songs": {song: str(run.songs[song].audio) for song in run.explained if song in run.songs},
            "shared": [list(Path(path).with_suffix("").parts[-2:]) for path in run.paths("excerpts") if path in shared],
            **{stage: run.paths(stage) for stage in COMPARED},
        }
        for name, run in RUNS.items()
    ]


def compared_files(wildcards):
    """Return all artefacts that the comparison reads."""
    if not config["variants"]:  # an error raised here would get a traceback
        return "(configuration key 'variants' names none, so there is nothing to compare: see docs/variants.md)"
    return sorted({path for run in RUNS.values() for stage in COMPARED for path in run.paths(stage)})


def needed_by_each():
    """Return for the base and each variant all artefacts that the comparison needs."""
    return [{"name": name or BASE, "needed": run.needed()} for name, run in RUNS.items()]


def note_of_comparison():
    """Return the note of the run, and those of variants whose data or model are others."""
    others = {name: run.note.removesuffix(f"; variant {name}") for name, run in RUNS.items()}
    return "; ".join([RUN.note, *(f"{name}: {note}" for name, note in others.items() if note != RUN.note)])
