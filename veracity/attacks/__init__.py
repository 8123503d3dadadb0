"""Targeted adversarial perturbations (paper section 3) and the selection of excerpts whose label they flip.

References
----------
N. Carlini and D. Wagner, "Audio adversarial examples", IEEE S&P Workshops 2019.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
