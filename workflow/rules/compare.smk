# Comparison of the run with its variants: inputs and parameters of the tables `compare` and `variant_costs`.


def compared():
    """Return the artefacts and properties of the base run and each variant, as a parameter of `compare`."""
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


def nothing_to_compare():
    """Return a missing input if there are no variants, because an error raised here would stop all other targets."""
    return {} if len(RUNS) > 1 else {"variants": "(variants: nothing to compare. Add variants as in docs/variants.md.)"}


def needed_by_each():
    """Return all artefacts of the base run and each variant that the comparison requires."""
    return [{"name": name or BASE, "needed": run.needed()} for name, run in RUNS.items()]


def note_of_comparison():
    """Return the note of the run, and the notes of variants with different data or models."""
    others = {name: run.note.removesuffix(f"; variant {name}") for name, run in RUNS.items()}
    return "; ".join([RUN.note, *(f"{name}: {note}" for name, note in others.items() if note != RUN.note)])
