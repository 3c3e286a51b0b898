"""Engines where cuBLASLt, cuDNN or NVRTC is missing, one or all: the tactics of a missing library are refused for that
reason, the engine is built, its outputs are right, and a plan that was made with all of them runs without.

    check_absent.py FOLDER   with bin/tenon and lib/libabsent_libraries.so
"""
import array
import concurrent.futures
import itertools
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODELS = [HERE / "libraries.tn", HERE.parent.parent / "samples/digits/digits.onnx"]
# How the files of each library and its kernels begin.
LIBRARIES = {"libcublasLt": "cublaslt_", "libcudnn": "cudnn_", "libnvrtc": "pointwise_nvrtc"}
BOUNDS = {"fp32": "1e-5", "fp16": "1e-2"}


class Tool:
    def __init__(self, folder):
        self.program = folder / "bin/tenon"
        self.absent = folder / "lib/libabsent_libraries.so"
        self.cache = tempfile.TemporaryDirectory()  # else compiled kernels of earlier runs stand in for NVRTC
        self.failures = 0

    def run(self, absent, *arguments):
        env = dict(os.environ, TENON_CACHE_DIR=self.cache.name)
        if absent:
            env |= {"LD_PRELOAD": str(self.absent), "ABSENT_LIBRARIES": ":".join(absent)}
        return subprocess.run([self.program, *map(str, arguments)], env=env, text=True, capture_output=True)

    def expect(self, good, what, output=""):
        if not good:
            self.failures += 1
            print(f"FAIL {what}\n{output[-3000:]}")


def refusals(report, beginning):
    """Reasons for which kernels whose names begin so were refused, and how often they were candidates or chosen."""
    reasons = re.findall(rf"^ +- {beginning}\w*: refused, (.*)$", report, re.M)
    candidates = re.findall(rf"^ +[* ] {beginning}\w*: (?!refused)", report, re.M)
    return reasons, len(candidates)


def outputs_in(folder):
    """The elements of the float tensors that a run left."""
    values = array.array("f")
    for path in sorted(folder.glob("*.npy")):
        data = path.read_bytes()
        assert b"<f4" in data[:128], path
        values.frombytes(data[10 + int.from_bytes(data[8:10], "little"):])
    return values


def relative_error(got, want):
    if len(got) != len(want) or not want:
        return math.inf
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(got, want)) / sum(b * b for b in want))


def check_model(tool, model, precision, plans):
    name = f"{model.name} {precision}"
    options = ["--device", "cuda", "--precision", precision]
    plan = plans / f"{model.stem}_{precision}.plan"
    whole = tool.run([], "build", "-v", *options, "-o", plan, model)
    tool.expect(whole.returncode == 0 and "cannot load" not in whole.stdout, f"{name}: built with all libraries",
                whole.stdout + whole.stderr)
    (plans / f"{plan.stem}_out").mkdir()
    tool.run([], "run", "--device", "cuda", "--output-dir", plans / f"{plan.stem}_out", plan)
    want = outputs_in(plans / f"{plan.stem}_out")
    used = {library: refusals(whole.stdout, kernel)[1] for library, kernel in LIBRARIES.items()}
    print(f"{name}: candidates with all libraries: {used}")
    for absent in [[library] for library in LIBRARIES] + [list(LIBRARIES)]:
        title = f"{name} without {', '.join(absent)}"
        built = tool.run(absent, "build", "-v", *options, model)
        tool.expect(built.returncode == 0, f"{title}: built", built.stdout + built.stderr)
        for library, kernel in LIBRARIES.items():
            reasons, candidates = refusals(built.stdout, kernel)
            missing = [r for r in reasons if r.startswith("cannot load ") and library in r]
            if library not in absent:
                tool.expect(not missing, f"{title}: {library} is there", "\n".join(missing))
                continue
            tool.expect(candidates == 0, f"{title}: {candidates} kernels of {library} are candidates", built.stdout)
            tool.expect(missing or not used[library], f"{title}: no refusal says that {library} is missing",
                        built.stdout)
        compared = tool.run(absent, "compare", *options, "--tolerance", BOUNDS[precision], model)
        tool.expect(compared.returncode == 0, f"{title}: outputs", compared.stdout + compared.stderr)
        # Kernels that the plan names and nobody has any more give way to others.
        out = plans / f"{plan.stem}_{len(absent)}{absent[0]}"
        out.mkdir()
        ran = tool.run(absent, "run", "--device", "cuda", "--output-dir", out, plan)
        off = relative_error(outputs_in(out), want)
        tool.expect(ran.returncode == 0 and off <= float(BOUNDS[precision]),
                    f"{title}: the plan of all libraries, {off} off", ran.stdout + ran.stderr)
        print(f"{title}: {compared.stdout.strip()}; the plan of all libraries {off:.1e} off")
    return used


def main():
    tool = Tool(pathlib.Path(sys.argv[1]).resolve())
    used = dict.fromkeys(LIBRARIES, 0)
    with tempfile.TemporaryDirectory() as plans:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            jobs = [pool.submit(check_model, tool, model, precision, pathlib.Path(plans))
                    for model, precision in itertools.product(MODELS, BOUNDS)]
            for job in jobs:
                for library, count in job.result().items():
                    used[library] += count
    tool.expect(all(used.values()), f"a model with candidates of every library: {used}")
    print(f"{tool.failures} failures")
    return tool.failures != 0


if __name__ == "__main__":
    sys.exit(main())
