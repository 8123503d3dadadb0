"""The paper's experiments on the adversarial excerpts of one song, and what only all masks can tell: a module for a stage.

Each module holds the artefact of its stage and the function ``compute`` that returns it. Random numbers are named by song,
domain and excerpt, so that more excerpts or songs change nothing for the others.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
