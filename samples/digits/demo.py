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


def run(*command, show=()):
    """Runs a tool; its output is returned, lines that match one of `show` are printed, all of it if it fails."""
    print("$ " + " ".join(os.path.relpath(c, ROOT) if c.startswith(ROOT) else c for c in command), flush=True)
    done = subprocess.run(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
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


def resnet50_file():
    import onnx
    import zoo
    path = os.path.join(ROOT, ".cache", "models", "resnet50_b1.onnx")
    if not os.path.exists(path):
        print("writing ResNet-50", flush=True)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        onnx.save(zoo.build("resnet50").model(), path + ".part")
        os.replace(path + ".part", path)
    return path


def time_onnxruntime(path, threads):
    """Median time in ms and seconds to load."""
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    start = time.perf_counter()
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    feed = {"input": np.random.default_rng(0).standard_normal((1, 3, 224, 224), dtype=np.float32)}
    session.run(None, feed)
    loaded, times, begin = time.perf_counter() - start, [], time.perf_counter()
    while time.perf_counter() - begin < 2:
        one = time.perf_counter()
        session.run(None, feed)
        times.append(time.perf_counter() - one)
    return statistics.median(times) * 1e3, loaded


def time_resnet50(args):
    path, engine = resnet50_file(), os.path.join(args.out, "resnet50.engine")
    tenon = os.path.join(args.bin, "tenon")
    command = [tenon, "build", path, "-o", engine, "--threads", str(args.threads)]
    print("$ " + " ".join(os.path.relpath(c, ROOT) if c.startswith(ROOT) else c for c in command), flush=True)
    start = time.perf_counter()
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        sys.exit("tenon build failed")
    built = time.perf_counter() - start
    log = run(tenon, "bench", engine, "--threads", str(args.threads), "--seconds", "2")
    ours = float(re.search(r"median ([\d.]+) ms", log).group(1))
    theirs, loaded = time_onnxruntime(path, args.threads)
    print(f"\nResNet-50, batch 1, fp32, {args.threads} threads\n")
    print("|              | prepare s | median ms | per second |\n| ------------ | --------: | --------: | ---------: |")
    for name, seconds, ms in (("Tenon", built, ours), ("ONNX Runtime", loaded, theirs)):
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
