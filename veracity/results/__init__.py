"""Tables, figures and the report from the artefacts of songs; each module is named after its table or figure."""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, [module.name for module in pkgutil.iter_modules(__path__)])
