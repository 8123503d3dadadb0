"""Test bench for explanations in audio classification.

Each module is one idea and can be used from a notebook: ``import veracity`` loads none of them (and neither torch nor
librosa) until an attribute is asked for, as in ``veracity.lime.explain``.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "artefacts",
        "attacks",
        "config",
        "convolution",
        "corpus",
        "decisions",
        "detector",
        "devices",
        "download",
        "drawings",
        "errors",
        "evaluation",
        "excerpts",
        "experiments",
        "figures",
        "files",
        "frontend",
        "games",
        "grid",
        "lime",
        "perturbed",
        "planning",
        "probes",
        "progress",
        "provenance",
        "readouts",
        "report",
        "resuming",
        "seeds",
        "spectra",
        "store",
        "summaries",
        "synthesis",
        "tables",
        "training",
        "usage",
    ],
)
