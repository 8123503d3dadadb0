"""From the artefacts of songs to tables, figures and the report: a module for a table or figure, named as its file."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
