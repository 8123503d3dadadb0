"""Experiments of the paper on the adversarial excerpts of one song, and evaluations that require all masks.

Most modules contain the artefact of one stage and the function ``compute``, which returns it. Random generators are derived
from song, domain and excerpt, so that further excerpts or songs do not change the results of others.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
