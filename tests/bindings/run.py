"""Runs test_bindings.py and test_later.py with NVIDIA's own Python bindings of a release, taken unrebuilt from the
package index, on the libraries of a build. Exits with 77 where the package cannot be had.

usage: run.py BUILD RELEASE [pytest arguments]
"""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def package(build, release):
    """The folder that holds the bindings; only they, neither NVIDIA's libraries nor other dependencies."""
    folder = build / "bindings" / release
    name = "tensorrt-cu12-bindings" if int(release.split(".")[0]) >= 10 else "tensorrt-bindings"
    if not (folder / "tensorrt_bindings").exists():
        command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target",
                   str(folder), f"{name}=={release}"]
        if subprocess.run(command, check=False).returncode:
            print(f"{name} {release} cannot be installed here")
            sys.exit(77)
    return folder


def main():
    build, release = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2]
    paths = [str(build / "lib"), os.environ.get("LD_LIBRARY_PATH", "")]
    environment = {**os.environ, "PYTHONPATH": str(package(build, release)), "PYTHONDONTWRITEBYTECODE": "1",
                   "LD_LIBRARY_PATH": ":".join(p for p in paths if p)}
    tests = [str(HERE / f"test_{part}.py") for part in ("bindings", "later")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--override-ini",
               "markers=sample: part of every test run", *tests, *sys.argv[3:]]
    sys.exit(subprocess.run(command, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
