"""The main job on real input, driven through the command-line tools: `make demo`.

1. Builds an engine from digits.onnx, saves it, loads it in a new process, classifies the held-back scans.
2. Builds ResNet-50 (structure of torchvision's, seeded weights) and times it beside ONNX Runtime.

usage: demo.py [--bin DIR] [--out DIR] [--threads N] [--skip-resnet]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "bench", "models"))
ACCEPTED = 0.98


def read_scan(path):
    """An 8x8 binary PGM as float32."""
    with open(path, "rb") as f:
        magic, size, high, pixels = f.read().split(b"\n", 3)
    if (magic, size, high, len(pixels)) != (b"P5", b"8 8", b"16", 64):
        sys.exit(f"{path}: {magic} {size} {high}; accepted: a binary PGM of 8x8 pixels, maximum 16")
    return np.frombuffer(pixels, np.uint8).reshape(1, 8, 8).astype(np.float32)


def run(*command, show=(), bar=False):
    """Runs a tool; its output is returned, lines that match one of `show` are printed, all of it if it fails. bar: its
    standard error, where it draws its progress, stays on the terminal."""
    print("$ " + " ".join(os.path.relpath(c, ROOT) if c.startswith(ROOT) else c for c in command), flush=True)
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE,
                          stderr=None if bar else subprocess.STDOUT)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit(f"exit status {done.returncode}")
    for line in done.stdout.split("\n"):
        if any(re.search(s, line) for s in show):
            print("  " + re.sub(r"^\[[^]]*\] \[\w\] ", "", line), flush=True)
    return done.stdout


def scores_by_trtexec(args, engine, count):
    """[count, 10] scores of scans.bin, by trtexec."""
    trtexec, scores = os.path.join(args.bin, "trtexec"), os.path.join(args.out, "scores.json")
    run(trtexec, "--onnx=samples/digits/digits.onnx", "--minShapes=scan:1x1x8x8", f"--optShapes=scan:{count}x1x8x8",
        f"--maxShapes=scan:{count}x1x8x8", "--saveEngine=" + engine, "--skipInference", show=["Engine built in"])
    run(trtexec, "--loadEngine=" + engine, f"--shapes=scan:{count}x1x8x8", "--iterations=1", "--duration=0",
        "--warmUp=0", "--loadInputs=scan:" + os.path.join(args.out, "scans.bin"), "--exportOutput=" + scores,
        show=["Throughput"])
    with open(scores, encoding="utf-8") as f:
        output = json.load(f)[0]
    return np.array(output["values"], np.float32).reshape([int(d) for d in output["dimensions"].split("x")])


def scores_by_tenon(args, engine, count):
    """The same by the tenon program, where trtexec is not built."""
    tenon = os.path.join(args.bin, "tenon")
    run(tenon, "build", "samples/digits/digits.onnx", "--min-shapes", "scan:1x1x8x8", "--opt-shapes",
        f"scan:{count}x1x8x8", "--max-shapes", f"scan:{count}x1x8x8", "-o", engine)
    run(tenon, "run", engine, "--shapes", f"scan:{count}x1x8x8", "-i", "scan:" + os.path.join(args.out, "scans.bin"),
        "--output-dir", args.out)
    return np.load(os.path.join(args.out, "scores.npy"))


def classify_digits(args):
    """Accuracy on the held-back scans."""
    names = sorted(os.listdir(os.path.join(HERE, "scans")))
    labels = np.array([int(re.fullmatch(r"\d+_(\d)\.pgm", n).group(1)) for n in names])
    scans = np.stack([read_scan(os.path.join(HERE, "scans", n)) for n in names])
    scans.tofile(os.path.join(args.out, "scans.bin"))
    scores_by = scores_by_trtexec if os.path.exists(os.path.join(args.bin, "trtexec")) else scores_by_tenon
    scores = scores_by(args, os.path.join(args.out, "digits.engine"), len(names))
    right = int((scores.argmax(1) == labels).sum())
    print(f"accuracy: {right} of {len(names)} scans, {100 * right / len(names):.2f} %", flush=True)
    return right / len(names)


def onnxruntime_timer(path, threads):
    """A function that times ONNX Runtime for a second (median, ms), and the seconds its session took to make."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    start = time.perf_counter()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    prepared = time.perf_counter() - start
    feed = {"input": np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)}

    def median():
        session.run(None, feed)
        times, begin = [], time.perf_counter()
        while time.perf_counter() - begin < 1:
            one = time.perf_counter()
            session.run(None, feed)
            times.append(time.perf_counter() - one)
        return statistics.median(times) * 1e3

    return median, prepared


def time_resnet50(args):
    import zoo
    tenon, engine = os.path.join(args.bin, "tenon"), os.path.join(args.out, "resnet50.engine")
    path = zoo.file("resnet50")
    start = time.perf_counter()
    run(tenon, "build", path, "-o", engine, "--threads", str(args.threads), show=["^built in"], bar=True)
    built = time.perf_counter() - start
    onnxruntime_median, prepared = onnxruntime_timer(path, args.threads)
    ours, theirs = [], []
    for _ in range(3):
        log = run(tenon, "bench", engine, "--threads", str(args.threads), "--seconds", "1")
        ours.append(float(re.search(r"median ([\d.]+) ms", log).group(1)))
        theirs.append(onnxruntime_median())
    print(f"\nResNet-50, batch 1, fp32, {args.threads} threads, medians of 3 interleaved rounds\n")
    print("|              | prepare s | median ms | per second |")
    print("| ------------ | --------: | --------: | ---------: |")
    for name, seconds, times in (("Tenon", built, ours), ("ONNX Runtime", prepared, theirs)):
        ms = statistics.median(times)
        print(f"| {name:12s} | {seconds:9.2f} | {ms:9.2f} | {1e3 / ms:10.1f} |")
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"), help="folder of trtexec and tenon")
    parser.add_argument("--out", default=os.path.join(ROOT, "build", "demo"), help="folder for engines and outputs")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--skip-resnet", action="store_true", help="digits alone")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    accuracy = classify_digits(args)
    if not args.skip_resnet:
        time_resnet50(args)
    passed = accuracy >= ACCEPTED
    print(f"&&&& {'PASSED' if passed else 'FAILED'} samples/digits # accuracy {accuracy:.4f}, accepted {ACCEPTED}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
