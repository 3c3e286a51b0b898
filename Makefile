# Every target installs what it needs first (scripts/setup.sh). `make SETUP=: build` leaves that out.
SETUP ?= scripts/setup.sh
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
PYTHON = .venv/bin/python
unexport MAKEFLAGS

GPU_ARGUMENTS = $(if $(MODEL),--models $(MODEL)) $(if $(BATCH),--batches $(BATCH)) $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: all setup build test test-python test-tf test-torch test-gpu api-check test-clients check check-arm bench
.PHONY: fuzz random-graphs test-misuse bench-gpu bench-gpu-peers bench-torch
.PHONY: sanitize-gpu test-gpu-python
.PHONY: gpu-package format install dist demo clean

all: build

setup:
	@$(SETUP)

build: setup
	@scripts/configure.sh release
	@cmake --build build -j $(JOBS)

test: setup
	@scripts/test.sh $(JOBS)

# Those that need torch are left out where it is not installed.
test-python: build
	@PYTHONPATH=build/python $(PYTHON) -m pytest -q python/tests

# TensorFlow and tf2onnx go into an environment of their own, torch into another.
test-tf: build
	@scripts/test_tf.sh

# All module tests of torch2trt and all of torch.compile's backend; ARGS go to pytest.
test-torch: build
	@scripts/torch.sh -m pytest -q python/tests/test_torch2trt.py python/tests/test_torch_compile.py $(ARGS)

bench-torch: build
	@scripts/torch.sh bench/torch_models.py --append docs/benchmarks.md $(ARGS)

api-check: build
	@ctest --test-dir build -L api -j $(JOBS) --output-on-failure

# Everything wrong that a client can do, under AddressSanitizer and UBSan; `make test` makes a sample of it.
test-misuse: setup
	@scripts/configure.sh asan
	@cmake --build --preset asan -j $(JOBS) --target misuse_tests
	@ctest --preset asan -L misuse -j $(JOBS)

# Changed models and plans under AddressSanitizer and UBSan, for SECONDS from SEED on.
fuzz: setup
	@scripts/configure.sh asan
	@cmake --build --preset asan -j $(JOBS) --target fuzz
	@$(PYTHON) tests/onnx_cases/node_tests.py true --keep build-asan/node_cases >/dev/null
	@build-asan/bin/fuzz --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1) tests/fuzz/models \
	  tests/onnx_cases/exported samples/digits build-asan/node_cases

# Random networks, every engine against their plain evaluation, for SECONDS from SEED on; ARGS='--backend cuda' too.
random-graphs: setup
	@scripts/configure.sh release
	@cmake --build build -j $(JOBS) --target random_graphs
	@build/bin/random_graphs --seconds $(or $(SECONDS),600) --seed $(or $(SEED),1) $(ARGS)

test-clients: build
	@ctest --test-dir build -L clients -j $(JOBS) --output-on-failure
	@for release in 8.6.1 10.0.1 10.8.0.43 10.13.3.9 10.16.1.11 11.1.0.106 11.4.0.106; do $(PYTHON) tests/bindings/run.py build $$release || exit 1; done

check: build
	@$(PYTHON) tools/check/check.py

check-arm:
	@$(SETUP) --arm
	@scripts/check_arm.sh $(JOBS)

bench: build
	@$(PYTHON) bench/cpu.py --append docs/benchmarks.md

format: setup
	@git ls-files -z "*.cpp" "*.h" "*.cu" "*.cuh" | xargs -0 .venv/bin/clang-format -i

install: build
	@cmake --install build --prefix $(PREFIX)

dist: build
	@scripts/dist.sh

demo: build
	@$(PYTHON) samples/digits/demo.py

clean:
	rm -rf build build-* dist

# On a machine with a GPU and no package registry. `make gpu-package` elsewhere makes dist/gpu and dist/headers, which
# travel with the checkout; without dist/gpu the first of these builds it.
gpu-package: setup
	@scripts/gpu.sh package

test-gpu:
	@scripts/gpu.sh test

# The Python packages beside torch on the GPU; ARGS go to pytest.
test-gpu-python:
	@scripts/gpu.sh test-python $(ARGS)

sanitize-gpu:
	@scripts/gpu.sh sanitize $(SANITIZE)

bench-gpu:
	@scripts/gpu.sh bench --peers eager,reduce-overhead --append docs/benchmarks.md $(GPU_ARGUMENTS)

# Max-autotune takes minutes a cell, several compile side by side: stopped and started again, this goes on with what
# bench/gpu_peers.json lacks.
bench-gpu-peers:
	@scripts/gpu.sh bench --peers max-autotune --jobs 4 --peers-json bench/gpu_peers.json $(GPU_ARGUMENTS)
