"""Optional libraries of some formats; errors name the package that is missing."""

from importlib import import_module
from types import ModuleType


def library(name: str, package: str, what: str, extra: str = "formats") -> ModuleType:
    """Import a library that is not always installed.

    Parameters
    ----------
    name
        What to import.
    package
        What to install.
    what
        What it is needed for, for example "a .geff".
    extra
        The extra of napari-sam2 that installs it.

    Raises
    ------
    ImportError
        If it is not there, with the command that installs it.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != name.split(".")[0]:
            raise
        raise ImportError(
            f'{what} needs the package {package}, which is not there: pip install "{package}" '
            f'or pip install "napari-sam2[{extra}]"'
        ) from error
