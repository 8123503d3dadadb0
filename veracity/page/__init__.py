"""Local web page for drawing on a spectrogram, listening to it, and toggling the segments of a run's perturbations."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
