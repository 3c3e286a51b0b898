"""Installs the build into a folder and uses it as client projects do: plain make, CMake packages, pkg-config.

usage: check_install.py BUILD
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
LEVELS = {"7": "7.2.3", "8": "8.6.1", "10": "10.13.3", "11": "11.1.0"}


def run(*command, **settings):
    result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            **settings)
    if result.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}:\n{result.stdout}")
    return result.stdout


class Install:
    def __init__(self, prefix, work):
        self.prefix, self.work, self.cuda = prefix, work, prefix / "no_cuda"

    def expect(self, program, level, library_path):
        """Runs a program with nothing but `library_path` to find libraries by."""
        environment = {**os.environ, "LD_LIBRARY_PATH": f"{library_path}:{self.cuda}/lib"}
        text = run(program, env=environment)
        if f"TensorRT {LEVELS[level]}: good" not in text:
            raise SystemExit(f"{program}: {text}")

    def by_make(self, level, root):
        folder = self.work / f"make_{level}_{root.name}"
        folder.mkdir()
        for name in ("Makefile", "consumer.cpp"):
            shutil.copy(HERE / name, folder)
        environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
        run("make", "-s", "-C", folder, f"TENSORRT={root}", f"CUDA={self.cuda}", env=environment)
        self.expect(folder / "consumer", level, root / "lib")

    def by_cmake(self, level, root, module):
        folder = self.work / f"cmake_{level}_{module}"
        run("cmake", "-S", HERE, "-B", folder, f"-DWANTED={LEVELS[level]}", f"-DBY_MODULE={module}",
            f"-DTensorRT_ROOT={root}", f"-DCUDART_INCLUDE={self.cuda}/include",
            f"-DCUDART_LIBRARY={self.cuda}/lib/libcudart.so", f"-DCMAKE_PREFIX_PATH={root}")
        run("cmake", "--build", folder)
        self.expect(folder / "consumer", level, root / "lib")

    def by_pkg_config(self, level, root):
        environment = {**os.environ, "PKG_CONFIG_PATH": str(root / "lib/pkgconfig")}
        version = run("pkg-config", "--modversion", "tensorrt", env=environment).strip()
        if version != LEVELS[level]:
            raise SystemExit(f"pkg-config says {version} for level {level}")
        flags = run("pkg-config", "--cflags", "--libs", "tensorrt", env=environment).split()
        program = self.work / "pkg_config"
        run("g++", "-std=c++11", HERE / "consumer.cpp", f"-I{self.cuda}/include", *flags, f"-L{self.cuda}/lib",
            "-lcudart", "-o", program)
        self.expect(program, level, root / "lib")

    def python(self):
        """An interpreter that the installed packages are for; None if there is none with numpy here."""
        suffix = next((self.prefix / "python/tenon").glob("_core.*")).name[len("_core"):]
        code = f"import numpy, importlib.machinery as m; raise SystemExit({suffix!r} not in m.EXTENSION_SUFFIXES)"
        for candidate in (HERE.parents[1] / ".venv/bin/python", sys.executable):
            if shutil.which(candidate) and subprocess.run([candidate, "-c", code], capture_output=True).returncode == 0:
                return candidate
        return None

    def by_python(self):
        """The packages for Python, where the build has them, through what `tenon python-path` prints."""
        python = self.python() if (self.prefix / "python").exists() else None
        if python is None:
            return
        path = run(self.prefix / "bin/tenon", "python-path").strip()
        code = "import ctypes, tensorrt as t; t.Builder(t.Logger()); ctypes.CDLL('libcudart.so'); print(t.__file__)"
        text = run(python, "-c", code, env={**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": ""})
        if not text.strip().startswith(str(self.prefix.resolve())):
            raise SystemExit(f"python: {text}")
        run(python, "-c", "import tenon", env={**os.environ, "PYTHONPATH": str(self.prefix / "python")})

    def check_files(self):
        wanted = ["bin/trtexec", "bin/tenon", "lib/libtenon.so.1", "lib/libtenon_trt.so.1", "data/digits/digits.onnx",
                  "samples/digits/demo.py", "samples/digits/scans/0003_3.pgm", "include/NvInfer.h",
                  "no_cuda/lib/libcudart.so.12", "no_cuda/lib/libcudart.so.13"]
        for level, version in LEVELS.items():
            wanted += [f"lib/libnvinfer.so.{level}", f"lib/libnvinfer_plugin.so.{version}",
                       f"trt-{level}/lib/libnvinfer.so", f"trt-{level}/include/NvInfer.h"]
            header = (self.prefix / f"trt-{level}/include/NvInferVersion.h").read_text()
            if f"#define NV_TENSORRT_MAJOR {version.split('.')[0]}\n" not in header:
                raise SystemExit(f"trt-{level}: the version header has no line that find-modules read")
        missing = [name for name in wanted if not (self.prefix / name).exists()]
        broken = [str(p) for p in self.prefix.rglob("*") if p.is_symlink() and not p.exists()]
        if missing or broken or (self.prefix / "trt-all").exists():
            raise SystemExit(f"missing: {missing}; broken links: {broken}; trt-all belongs to the build tree")


def main():
    build = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        prefix, work = pathlib.Path(folder, "prefix"), pathlib.Path(folder, "work")
        work.mkdir()
        run("cmake", "--install", build, "--prefix", prefix)
        install = Install(prefix, work)
        install.check_files()
        for level in LEVELS:
            install.by_make(level, prefix / f"trt-{level}")
        install.by_make("10", prefix)
        install.by_cmake("10", prefix, "OFF")
        install.by_cmake("8", prefix / "trt-8", "OFF")
        install.by_cmake("7", prefix / "trt-7", "ON")
        install.by_python()
        if shutil.which("pkg-config"):
            install.by_pkg_config("11", prefix / "trt-11")
    print("the install serves make, CMake packages, find modules and pkg-config")


if __name__ == "__main__":
    main()
