"""The kernel tests under compute-sanitizer, and one line a case: what each tool found.

The kernels are shared out among a few processes, each of which runs every case with its share. Where a process loses
the GPU, another goes on behind that case. What is not done in --seconds is reported as unfinished. `make sanitize-gpu`
runs this on a machine with a GPU.
"""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import threading
import time

# Processes at a time. Racecheck keeps the GPU busy, and processes take turns on it.
JOBS = {"memcheck": 12, "racecheck": 3}
FOUND = re.compile(r"^=+ ((Error|Warning): Race|Potential|Invalid|Misaligned|Program hit|Barrier|Internal)")
FAILED = re.compile(r"(ERROR|FATAL ERROR): ")
RUN = re.compile(r"^run: (.*) by (\S+)$")
# From the mildest; a case is what the worst of its runs is.
VERDICTS = ("no GPU", "clean", "unfinished", "failed", "found")


class Case:
    def __init__(self):
        self.verdict, self.runs, self.seconds, self.lines = "no GPU", 0, 0.0, []

    def is_at_least(self, verdict):
        self.verdict = max(self.verdict, verdict, key=VERDICTS.index)


class Share:
    """Every case with a share of the kernels, under a tool."""

    def __init__(self, tool, share, arguments, filters, names, deadline):
        self.names, self.deadline = names, deadline
        self.cases = collections.defaultdict(Case)
        sanitizer = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
        self.command = [sanitizer, "--tool", tool, arguments.test, *filters]
        # Hazards inside the libraries' kernels are not ours, so racecheck sees ours alone.
        self.environment = dict(os.environ, TENON_TEST_BACKEND="cuda", TENON_TEST_SANITIZER=tool,
                                TENON_TEST_SHARE=f"{share}/{JOBS[tool]}",
                                TENON_TEST_LIBRARIES="none" if tool == "racecheck" else "some")

    def run(self):
        first = 1
        while first is not None and first <= len(self.names):
            left = self.deadline - time.monotonic()
            if left <= 0:
                self.leave(first)
                return
            first = self.run_from(first, left)

    def leave(self, first):
        """The cases from the first-th on were not done."""
        for name in self.names[first - 1:]:
            self.cases[name].is_at_least("unfinished")

    def run_from(self, first, seconds):
        """Returns the number of the case to go on with after one that lost the GPU, or None."""
        process = subprocess.Popen([*self.command, f"-f={first}"], env=self.environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True)
        late = threading.Event()

        def end():
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(seconds, end)
        timer.start()
        name, lost, ended = None, False, False
        begin = time.monotonic()
        for line in process.stdout:
            if run := RUN.match(line):
                now = time.monotonic()
                if name:
                    self.cases[name].seconds += now - begin
                name, begin = run.group(1), now
                self.cases[name].is_at_least("clean")
                self.cases[name].runs += 1
                kernel = run.group(2)
            if name:
                lost |= "context is lost" in line or "LaunchFailure" in line
                self.note(self.cases[name], kernel, line)
            ended |= "[doctest] Status:" in line
            if lost:
                break
        if lost:
            os.killpg(process.pid, signal.SIGKILL)
        timer.cancel()
        process.wait()
        if ended and not lost:
            return None
        if late.is_set():
            self.leave(self.names.index(name) + 1 if name else first)
            return None
        if name:
            self.cases[name].is_at_least("failed")
        return self.names.index(name) + 2 if name else first + 1

    @staticmethod
    def note(case, kernel, line):
        if FOUND.match(line):
            case.is_at_least("found")
            case.lines.append(kernel)
        elif FAILED.search(line):
            case.is_at_least("failed")
        if line.startswith("=") and not re.search(r"Host Frame|COMPUTE-SANITIZER|SUMMARY", line) or FAILED.search(line):
            case.lines.append(line.rstrip()[:300])


def report(lines):
    """What a tool found, each thing once, without addresses and thread numbers."""
    seen, kept = set(), []
    for line in lines:
        key = re.sub(r"0x[0-9a-f]+|\(\d+,\d+,\d+\)|\d+ hazards?", "", line)
        if key not in seen and re.search(r"\w", line):
            seen.add(key)
            kept.append(line)
    return kept[:40]


def case_names(test, filters):
    """In the order of their numbers."""
    listed = subprocess.run([test, *filters, "--list-test-cases"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if not re.match(r"\[doctest|===", line)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], epilog="Other arguments go to the tests.")
    parser.add_argument("test", help="backends_test")
    parser.add_argument("--tool", choices=list(JOBS), action="append", help="both if left out")
    parser.add_argument("--seconds", type=float, default=3600, help="for all tools together")
    arguments, filters = parser.parse_known_args()
    tools = arguments.tool or list(JOBS)
    begin = time.monotonic()
    names = case_names(arguments.test, filters)
    found = {}
    for tool in tools:
        shares = [Share(tool, share, arguments, filters, names, begin + arguments.seconds)
                  for share in range(JOBS[tool])]
        with concurrent.futures.ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(Share.run, shares))
        found[tool] = join(shares, names)
        print(f"{tool}: {time.monotonic() - begin:.0f} s", flush=True)
    return 1 if summarize(names, found) else 0


def join(shares, names):
    cases = {}
    for name in names:
        case = cases[name] = Case()
        for share in shares:
            if name in share.cases:
                part = share.cases[name]
                case.is_at_least(part.verdict)
                case.runs += part.runs
                case.seconds += part.seconds
                case.lines += part.lines
    return cases


def summarize(names, found):
    """Prints what was found and then the table; returns how many entries are neither clean nor without the GPU."""
    for tool, cases in found.items():
        for name in names:
            if cases[name].verdict in ("found", "failed"):
                print(f"-- {tool}: {name}", *report(cases[name].lines), sep="\n   ")
    width = max(map(len, names))
    print("case".ljust(width), *(tool.rjust(28) for tool in found))
    count = dict.fromkeys(VERDICTS, 0)
    for name in names:
        cells = []
        for cases in found.values():
            case = cases[name]
            count[case.verdict] += 1
            cells.append(f"{case.verdict}, {case.runs} runs, {case.seconds:.0f} s" if case.runs else case.verdict)
        print(name.ljust(width), *(cell.rjust(28) for cell in cells))
    print(", ".join(f"{verdict}: {n}" for verdict, n in count.items()))
    return sum(count[v] for v in VERDICTS[2:])


if __name__ == "__main__":
    raise SystemExit(main())
