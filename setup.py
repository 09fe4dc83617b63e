"""Which folder is which package, and the optional C extension; everything else is in pyproject.toml."""

from setuptools import Extension, find_packages, setup

ROOMS = {
    "bnconform": "reference",
    "bnconform.backends": "backends",
    "bnconform.conformance": "conformance",
    "bnconform.testing": "conformance/testing",  # the harness' own, under the name that people's tests import
}

# the engine's arithmetic in C; where there is no compiler NumPy does it
KERNELS = Extension(
    "bnconform.engine._kernels",
    sources=["reference/engine/kernels.c"],
    depends=["reference/engine/kernels.h"],
    extra_compile_args=["-O3", "-ffp-contract=off"],
    optional=True,
)

setup(
    package_dir=ROOMS,
    packages=[
        f"{name}{inner}"
        for name, room in ROOMS.items()
        for inner in ["", *(f".{p}" for p in find_packages(room, exclude=["testing"]))]
    ],
    package_data={
        "": ["py.typed", "*.md", "*.json", "*.txt", "*.png", "known/*.json", "templates/*", "skeletons/*"],
        "bnconform.conformance.golden": ["v1/*"],
    },
    ext_modules=[KERNELS],
)
