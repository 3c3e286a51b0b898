"""The kernel tests under compute-sanitizer, and one line a case: what each tool found.

Each case has processes of its own, several at a time; those with long tables of tactics are shared out among several
processes by kernels. What is not done in --seconds is reported as unfinished. `make sanitize-gpu` runs this on a machine
with a GPU.
"""

import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import time

TOOLS = ("memcheck", "racecheck")
LONG = re.compile(r"conv: (windows at|long|depthwise|f16|shares|pieces)|matmul: (tiles|few|shapes)|scaled_conv: sizes")
SHARES = 4
FOUND = re.compile(r"^=+ ((Error|Warning): Race|Potential|Invalid|Misaligned|Program hit|Barrier|Internal"
                   r"|[A-Z]+ SUMMARY: [1-9])")
# From the mildest; a case is what the worst of its processes is.
VERDICTS = ("no GPU", "clean", "unfinished", "failed", "found")


class Part:
    """A share of a case's kernels under a tool."""

    def __init__(self, tool, number, share, shares):
        self.tool, self.number, self.share, self.shares = tool, number, share, shares
        self.verdict, self.seconds, self.runs, self.lines = "unfinished", 0, 0, []

    def run(self, command, filters, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            return
        environment = dict(os.environ, TENON_TEST_BACKEND="cuda", TENON_TEST_SANITIZER="1")
        environment["TENON_TEST_SHARE"] = f"{self.share}/{self.shares}"
        # Hazards inside the libraries' kernels are not ours, so racecheck sees ours alone.
        environment["TENON_TEST_LIBRARIES"] = "none" if self.tool == "racecheck" else "some"
        case = [f"-f={self.number}", f"-l={self.number}"]
        begin = time.monotonic()
        process = subprocess.Popen(
            [command[0], "--tool", self.tool, "--error-exitcode", "9", command[1], *filters, *case],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True)
        try:
            text, _ = process.communicate(timeout=left)
            ended = True
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            text, _ = process.communicate()
            ended = False
        self.seconds = time.monotonic() - begin
        self.judge(text.splitlines(), process.returncode if ended else None)

    def judge(self, lines, code):
        text = "\n".join(lines)
        checks = re.search(r"assertions: *(\d+)", text)
        self.runs = int(checks.group(1)) if checks else 0
        if any(FOUND.match(line) for line in lines):
            self.verdict, self.lines = "found", report(lines)
        elif code is None:
            self.verdict = "unfinished"
        elif "before first instrumented API call" in text and "Status: SUCCESS" in text:
            self.verdict = "no GPU"
        elif code == 0:
            self.verdict = "clean"
        else:
            self.verdict, self.lines = "failed", lines[-15:]


def report(lines):
    """What a tool found, each thing once, without addresses and thread numbers."""
    seen, kept = set(), []
    for line in lines:
        if not line.startswith("=") or re.search(r"Host Frame|^=+$|COMPUTE-SANITIZER", line):
            continue
        key = re.sub(r"0x[0-9a-f]+|\(\d+,\d+,\d+\)|\d+ hazards?", "", line)
        if key not in seen:
            seen.add(key)
            kept.append(line[:300])
    return kept[:40]


def cases(test, filters):
    """Names of the cases, in the order of their numbers."""
    listed = subprocess.run([test, *filters, "--list-test-cases"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if not re.match(r"\[doctest|===", line)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], epilog="Other arguments go to the tests.")
    parser.add_argument("test", help="backends_test")
    parser.add_argument("--tool", choices=TOOLS, action="append", help="both if left out")
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--jobs", type=int, default=int(os.environ.get("TENON_GPU_JOBS", 8)))
    arguments, filters = parser.parse_known_args()
    tools = arguments.tool or TOOLS
    sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    begin = time.monotonic()
    names = cases(arguments.test, filters)
    parts = [Part(tool, number, share, SHARES if LONG.match(name) else 1)
             for tool in tools for number, name in enumerate(names, 1)
             for share in range(SHARES if LONG.match(name) else 1)]
    # Racecheck is slower, long tables are, and products take longer than moves.
    parts.sort(key=lambda p: (p.tool != "racecheck", p.shares == 1,
                              not re.search("conv|attention|matmul", names[p.number - 1])))
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda p: p.run((sanitizer, arguments.test), filters, begin + arguments.seconds), parts))
    bad = summarize(names, tools, parts)
    print(f"{time.monotonic() - begin:.0f} s, {len(parts)} processes, {arguments.jobs} at a time")
    return 1 if bad else 0


def summarize(names, tools, parts):
    """Prints what was found and then the table; returns how many entries are neither clean nor without the GPU."""
    worst = {}
    for p in parts:
        entry = worst.setdefault((p.number, p.tool), [VERDICTS[0], 0, 0])
        entry[0] = max(entry[0], p.verdict, key=VERDICTS.index)
        entry[1] += p.seconds
        entry[2] += p.runs
        if p.lines:
            print(f"-- {p.tool}: {names[p.number - 1]}", *p.lines, sep="\n   ")
    width = max(map(len, names))
    print("case".ljust(width), *(tool.rjust(24) for tool in tools))
    count = dict.fromkeys(VERDICTS, 0)
    for number, name in enumerate(names, 1):
        cells = []
        for tool in tools:
            verdict, seconds, runs = worst[number, tool]
            count[verdict] += 1
            cells.append((f"{verdict}, {runs} checks, {seconds:.0f} s" if runs else verdict).rjust(24))
        print(name.ljust(width), *cells)
    print(", ".join(f"{verdict}: {n}" for verdict, n in count.items()))
    return sum(count[v] for v in VERDICTS[2:])


if __name__ == "__main__":
    raise SystemExit(main())
