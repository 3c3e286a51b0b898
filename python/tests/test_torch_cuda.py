"""python -m tenon.tensorrt with a torch that has no GPU: "cuda" is the CPU."""

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="torch has a GPU")


def run(folder, name, *arguments, **environment):
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run([sys.executable, "-m", "tenon.tensorrt", name, *arguments], cwd=folder, text=True,
                          capture_output=True, env=dict(os.environ, PYTHONPATH=path, **environment))


PROGRAM = """
import sys, threading, torch
from concurrent.futures import ThreadPoolExecutor

def make():
    torch.zeros(3, device="cuda").to("cuda:0").cuda().pin_memory().type("torch.cuda.FloatTensor")
    with torch.device("cuda"), torch.cuda.device(0), torch.cuda.stream(torch.cuda.Stream()):
        return torch.nn.Linear(2, 2).to(torch.device("cuda"))(torch.cuda.FloatTensor([[1, 2]])).device.type

results = [make(), ThreadPoolExecutor(1).submit(make).result()]
thread = threading.Thread(target=lambda: results.append(make()))
thread.start()
thread.join()
assert results == ["cpu"] * 3, results
start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
start.record()
torch.zeros(2, device=0)
end.record()
torch.cuda.synchronize()
torch.cuda.nvtx.range_push("x")
torch.cuda.reset_peak_memory_stats()
free, total = torch.cuda.mem_get_info()
assert 0 < free <= total == torch.cuda.get_device_properties(0).total_memory and start.elapsed_time(end) >= 0
assert torch.cuda.get_device_properties(0).name == torch.cuda.get_device_name()
assert torch.zeros(2).cuda().is_cuda and torch.zeros(2, device="cuda").add(1).is_cuda
assert torch.device(0).type == "cpu" and not torch.cuda.is_current_stream_capturing()
assert torch.cuda.ExternalStream(0).cuda_stream == 0 and isinstance(torch.cuda.memory_stats(), dict)
torch.cuda.ipc_collect()
library = torch.library.Library("program", "DEF")
library.define("made(Tensor x) -> Tensor")
library.impl("made", lambda x: x + torch.ones(3, device="cuda"), "CPU")
assert (torch.ops.program.made(torch.zeros(3)) == 1).all()
print(sys.argv[1:])
"""


def test_programs_written_for_a_gpu_run_in_every_thread(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    made = run(tmp_path, "program.py", "a", "--b")
    assert made.stdout == "['a', '--b']\n", made.stderr


def test_a_program_that_is_not_there(tmp_path):
    made = run(tmp_path, "none.py")
    assert made.returncode == 1
    assert made.stderr == "python -m tenon.tensorrt: there is no file 'none.py' and no command\n"


def test_a_command_that_is_a_python_program(tmp_path):
    deploy = f"#!{sys.executable}\nimport sys, tensorrt\nprint(sys.argv[1:], tensorrt.__name__)\n"
    for name, text in (("deploy", deploy), ("other", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    made = run(tmp_path.parent, "deploy", "--fast", PATH=path)
    assert made.stdout == "['--fast'] tensorrt\n", made.stderr
    made = run(tmp_path.parent, "other", PATH=path)
    assert made.returncode == 1 and "the command 'other'" in made.stderr and "no Python program" in made.stderr


def test_a_release_that_there_is_not(tmp_path):
    made = run(tmp_path, "-m", "tensorrt", TENON_TRT_API="9")
    assert made.returncode == 1 and "ImportError: TENON_TRT_API is '9', accepted are 7, 8, 10 and 11" in made.stderr
