"""Versions of the libraries that code uses, without a build's suffix: 2.13.0+cpu counts as 2.13.0."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

_DISTRIBUTIONS = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "yaml": "PyYAML",
    "cv2": "opencv-python",
    "skimage": "scikit-image",
}
# Libraries whose numbers are another's: pandas and SciPy compute with NumPy.
_BENEATH = {
    "pandas": ("numpy",),
    "scipy": ("numpy",),
    "sklearn": ("numpy", "scipy"),
    "statsmodels": ("numpy", "scipy", "pandas"),
}


def of(libraries: Iterable[str]) -> dict[str, str]:
    """Return the version of each library (by import name), and of those beneath it; "not installed" where it is not."""
    wanted = {name for library in libraries for name in (library, *_BENEATH.get(library, ()))}
    return {name: _version(name) for name in sorted(wanted)}


@cache
def _version(library: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(_DISTRIBUTIONS.get(library, library)).partition("+")[0]
    except metadata.PackageNotFoundError:
        pass
    names = metadata.packages_distributions().get(library, ())
    return ", ".join(metadata.version(name).partition("+")[0] for name in sorted(set(names))) or "not installed"
