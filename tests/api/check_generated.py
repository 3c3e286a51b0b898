"""Checks that every file that api/generate.py and api/facade.py write is an output of the build, so that one pass of it
after a change in api/ recompiles what reads them.

usage: check_generated.py BUILD
"""
import pathlib
import subprocess
import sys
import tempfile

API = pathlib.Path(__file__).resolve().parents[2] / "api"
sys.path.insert(0, str(API))
import generate  # noqa: E402


def main():
    build = pathlib.Path(sys.argv[1])
    if not (build / "build.ninja").exists():
        print("not a build of ninja's")
        return 77
    told = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], capture_output=True, text=True,
                          check=True).stdout
    outputs = {line.split(":")[0] for line in told.splitlines() if ": CUSTOM_COMMAND" in line}
    written = set()
    with tempfile.TemporaryDirectory() as folder:
        for level in generate.VERSIONS:
            for script, part in (("generate.py", "include"), ("facade.py", "facade")):
                target = pathlib.Path(folder, f"trt-{level}", part)
                subprocess.run([sys.executable, API / script, level, target], check=True)
                written |= {str(path.relative_to(folder)) for path in target.rglob("*") if path.is_file()}
    missing = sorted(written - outputs)
    for name in missing:
        print(f"{name}: written during the build and not one of its outputs")
    print(f"{len(written) - len(missing)} of {len(written)} generated files are outputs of the build")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
