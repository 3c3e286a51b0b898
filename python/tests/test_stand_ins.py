"""The stand-ins for pycuda and cuda-python, where the real packages are not installed."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest

import tenon.tensorrt


def run(code, **environment):
    path = os.pathsep.join([tenon.tensorrt.path(), *sys.path])
    return subprocess.run([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=path, **environment),
                          capture_output=True, text=True)


def real(package):
    return run(f"import {package}; print({package}.__file__)").stdout.find("drop_in") < 0


@pytest.mark.skipif(real("pycuda"), reason="pycuda itself is installed")
def test_pycuda_copies_through_streams():
    code = """
import numpy as np, pycuda.driver as cuda, pycuda.autoinit, pycuda.gpuarray as gpuarray
host = cuda.pagelocked_empty((2, 3), np.float32)
host[:] = np.arange(6).reshape(2, 3)
memory, stream = cuda.mem_alloc(host.nbytes), cuda.Stream()
start, end = cuda.Event(), cuda.Event()
start.record(stream)
cuda.memcpy_htod_async(memory, host, stream)
back = np.zeros((2, 3), np.float32)
cuda.memcpy_dtoh_async(back, memory, stream)
end.record(stream)
stream.synchronize()
assert (back == host).all() and start.time_till(end) >= 0 and int(memory) and stream.handle
copy = cuda.mem_alloc_like(host)
cuda.memcpy_dtod(copy, memory, host.nbytes)
cuda.memcpy_dtoh(back, copy)
assert (back == host).all()
array = gpuarray.to_gpu(np.ones(4, np.float64))
assert (array.get() == 1).all() and array.ptr == int(array.gpudata)
assert cuda.Device.count() >= 1 and len(cuda.Device(0).compute_capability()) == 2
print('good')
"""
    result = run(code)
    assert result.stdout == "good\n", result.stderr


@pytest.mark.skipif(real("pycuda"), reason="pycuda itself is installed")
def test_pycuda_without_a_context_fails_as_pycuda_does():
    result = run("import pycuda.driver as cuda, numpy; cuda.init(); cuda.Stream()")
    assert "LogicError: explicit_context_dependent failed: invalid device context" in result.stderr


@pytest.mark.skipif(real("cuda.bindings.runtime"), reason="cuda-python itself is installed")
@pytest.mark.parametrize("names", ["from cuda import cudart", "from cuda.bindings import runtime as cudart"])
def test_cuda_python_returns_tuples(names):
    code = names + """
import numpy as np
kind = cudart.cudaMemcpyKind
x, y = np.arange(5.0), np.zeros(5)
err, memory = cudart.cudaMalloc(x.nbytes)
assert err == cudart.cudaError_t.cudaSuccess
err, stream = cudart.cudaStreamCreate()
cudart.cudaMemcpyAsync(memory, x.ctypes.data, x.nbytes, kind.cudaMemcpyHostToDevice, stream)
cudart.cudaMemcpyAsync(y.ctypes.data, memory, x.nbytes, kind.cudaMemcpyDeviceToHost, stream)
assert cudart.cudaStreamSynchronize(stream) == (cudart.cudaError_t.cudaSuccess,)
assert (x == y).all() and cudart.cudaFree(memory)[0] == 0 and cudart.cudaStreamDestroy(stream)[0] == 0
err, properties = cudart.cudaGetDeviceProperties(0)
assert properties.name and properties.major >= 5
err, count = cudart.cudaGetDeviceCount()
assert count >= 1 and cudart.cudaGetErrorName(cudart.cudaError_t.cudaErrorInvalidValue)[1] == b'cudaErrorInvalidValue'
assert cudart.cudaMalloc(1 << 62)[0] == cudart.cudaError_t.cudaErrorMemoryAllocation
print('good')
"""
    result = run(code)
    assert result.stdout == "good\n", result.stderr


def test_a_real_package_comes_first(tmp_path):
    (tmp_path / "pycuda").mkdir()
    (tmp_path / "pycuda" / "__init__.py").write_text("REAL = True\n")
    (tmp_path / "pycuda" / "driver.py").write_text("NAME = 'real driver'\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import pycuda, pycuda.driver; print(pycuda.driver.NAME)"
    assert run(code).stdout == "real driver\n"


def without_a_driver():
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return True
    return False


@pytest.mark.skipif(not without_a_driver(), reason="there is a driver, and so CUDA's own runtime serves")
@pytest.mark.parametrize("name", ["libcudart.so", "libcudart.so.12", "/somewhere/lib64/libcudart.so.11.0"])
def test_ctypes_loads_the_runtime_on_host_memory(name):
    code = f"""
import ctypes, pathlib, tensorrt
cudart = ctypes.CDLL({name!r})
memory, count = ctypes.c_void_p(), ctypes.c_int()
assert cudart.cudaGetDeviceCount(ctypes.byref(count)) == 0 and count.value == 1
assert cudart.cudaMalloc(ctypes.byref(memory), ctypes.c_size_t(8)) == 0 and memory.value
assert cudart.cudaMemcpy(memory, b"12345678", ctypes.c_size_t(8), 1) == 0
assert ctypes.string_at(memory.value, 8) == b"12345678" and cudart.cudaFree(memory) == 0
assert ctypes.cdll.LoadLibrary(pathlib.Path({name!r}))._name == cudart._name
for other in (ctypes.CDLL("libm.so.6"), ctypes.CDLL(None)):
    assert other._name != cudart._name
try:
    ctypes.CDLL("libcudart.so.0", mode=ctypes.RTLD_GLOBAL)
except OSError:
    print("good")
"""
    result = run(code)
    assert result.stdout == "good\n", result.stderr


def test_a_program_without_gpus_by_choice_gets_host_memory():
    code = "import ctypes, tensorrt; print('no_cuda' in ctypes.CDLL('libcudart.so')._name)"
    assert run(code, CUDA_VISIBLE_DEVICES="").stdout == "True\n"
