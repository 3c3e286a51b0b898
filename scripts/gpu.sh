#!/usr/bin/env bash
# Tests and measurements on a machine with a GPU, which needs no package registry.
#   scripts/gpu.sh package   build here, without a GPU, what test and bench need, into dist/gpu; `package core` leaves
#                            out TensorRT's interface and the programs written for it
#   scripts/gpu.sh build     the same on the GPU machine itself; headers come from dist/headers, which package fills
#   scripts/gpu.sh test      kernels, engines and the C++ interface on the GPU: programs written for TensorRT at every
#                            level, plugins with CUDA kernels, trtexec; `test clients` and `test kernels` run one part
#   scripts/gpu.sh test-python   the Python packages on the GPU, torch's suites with --device cuda; arguments go to pytest
#   scripts/gpu.sh sanitize [--tool memcheck|racecheck] [--seconds N] [-tc=…]   the kernel tests under compute-sanitizer.
#                            Racecheck leaves the tactics of cuDNN and cuBLAS out: it finds hazards in their own kernels
#   scripts/gpu.sh bench     models beside torch: arguments go to bench/gpu/bench.py
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=dist/gpu
targets=(tenon tenon_cuda tenon_bench_engine tenon_cli backends_test runtime_test builder_test absent_libraries)
levels=(7 8 10 11)

# The release of Python that the GPU machine has, with nanobind; where there is none, its packages are left out.
find_python() {
  for python in "${TENON_GPU_PYTHON:-python3.12}" ~/.pyenv/versions/3.12*/bin/python; do
    if "$python" -c '' 2>/dev/null; then break; fi
  done
  if ! "$python" -c 'import nanobind' 2>/dev/null; then
    "$python" -m venv .venv-gpu && python=.venv-gpu/bin/python &&
      "$python" -m pip install -q --disable-pip-version-check "$(grep '^nanobind' scripts/requirements.txt)"
  fi && python=$("$python" -c 'import sys; print(sys.executable)')
}

compile() {  # compile [core]
  local extra=(-DTENON_PYTHON=OFF)
  if [ "${1:-}" != core ]; then targets+=(gpu_clients trtexec nvparsers_7 nvparsers_8 nvinfer_plugin_11); fi
  if find_python 2>/dev/null; then
    extra=(-DTENON_PYTHON=ON -DPython_EXECUTABLE="$python")
    targets+=(tenon_python tensorrt_python cudart_13)
  fi
  if [ -d dist/headers ] && [ ! -d /usr/include/doctest ]; then extra+=(-DCMAKE_INCLUDE_PATH="$PWD/dist/headers"); fi
  cmake -S . -B build-gpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DTENON_ONEDNN=OFF -DTENON_CLIENTS_ON_GPU=ON \
    "${extra[@]}" >/dev/null
  cmake --build build-gpu --target "${targets[@]}"
  rm -rf "$out"
  mkdir -p "$out/bin" "$out/lib"
  cp build-gpu/bin/{tenon,backends_test,runtime_test,builder_test} "$out/bin/"
  cp -L build-gpu/lib/lib{tenon.so.1,tenon_cuda.so.1,tenon_bench_engine.so,absent_libraries.so} "$out/lib/"
  if [ "${extra[0]}" = -DTENON_PYTHON=ON ]; then
    cp -L build-gpu/lib/libtenon_trt.so.1 "$out/lib/"
    mkdir -p "$out/python"
    cp -rL build-gpu/python/tenon "$out/python/"
    find "$out/python" -name '*.so*' -exec strip {} +
  fi
  if [ "${1:-}" != core ]; then interface; fi
  strip "$out"/bin/* "$out"/lib/*
}

# TensorRT's interface at every level, and programs written for it.
interface() {
  local level
  mkdir -p "$out/clients" "$out/cudart"
  for level in "${levels[@]}"; do
    cp -L build-gpu/lib/lib{nvinfer,nvinfer_plugin,nvonnxparser}.so."$level" "$out/lib/"
  done
  cp -L build-gpu/lib/libnvparsers.so.{7,8} build-gpu/lib/libtenon_trt.so.1 "$out/lib/"
  cp build-gpu/bin/trtexec "$out/bin/"
  (cd build-gpu/bin && cp $(cat ../gpu_clients.txt) "../../$out/clients/")
  cp -L "$(cudart)" "$out/cudart/"  # for machines where the loader finds none
  strip "$out"/clients/*
}

# NVIDIA's CUDA runtime that the programs were linked with.
cudart() {
  ldd build-gpu/bin/gpu_trap_10 | sed -n 's/.*libcudart[^ ]* => \([^ ]*\).*/\1/p'
}

headers() {
  mkdir -p dist/headers
  local folder
  for folder in doctest protozero nlohmann CLI; do
    if [ -d /usr/include/$folder ]; then cp -r /usr/include/$folder dist/headers/; fi
  done
}

ready() {
  [ -x "$out/bin/tenon" ] || compile
  export LD_LIBRARY_PATH=$PWD/$out/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
}

passed=0 failed=0
check() {  # check NAME COMMAND...
  local name=$1 log
  shift
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    printf 'ok    %s\n' "$name"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n' "$name"
    tail -40 "$log"
  fi
  rm -f "$log"
}

# The kernel tests, each case in a process of its own, as many at a time as there are processors: most of their time goes
# into references and into libraries that compile on the host. Cases of convolutions and attention take longest and begin.
kernels() {  # kernels NAME LIMIT [FILTER...]
  local name=$1 limit=$2 logs order
  shift 2
  logs=$(mktemp -d)
  "$out/bin/backends_test" "$@" --list-test-cases | grep -v '^\[\|^===' >"$logs/names"
  order=$(awk '{ print (/conv|attention|products/ ? 0 : 1), NR }' "$logs/names" | sort -n | cut -d' ' -f2)
  export TENON_TEST_BACKEND=cuda
  xargs -P "$(nproc)" -I{} bash -c '
    logs=$1 limit=$2 number=$3 begin=$SECONDS code=0
    timeout -k 5 "$limit" "${@:4}" -m -f="$number" -l="$number" >"$logs/$number" 2>&1 || code=$?
    echo "$code $((SECONDS - begin)) $number" >>"$logs/codes"' case "$logs" "$limit" {} \
    "$out/bin/backends_test" "$@" <<<"$order"
  unset TENON_TEST_BACKEND
  check "$name, $(wc -l <"$logs/codes") cases" summary "$logs"
  sort -k2,2nr "$logs/codes" | head -3 | while read -r _ seconds number; do
    echo "      $seconds s: $(sed -n "${number}p" "$logs/names")"
  done
  rm -rf "$logs"
}

# Cases that failed, and the end of what each said.
summary() {
  local logs=$1 code seconds number bad=0
  title() { sed -n "$1p" "$logs/names"; }
  while read -r code seconds number; do
    [ "$code" = 0 ] && continue
    bad=1
    if [ "$code" = 124 ]; then
      echo "case $number ($(title "$number")) did not end in $seconds s"
    else
      echo "case $number ($(title "$number")) failed with $code after $seconds s:"
      grep -v '^\[doctest\] \(doctest\|run\)\|^===' "$logs/$number" | tail -12
    fi
  done <"$logs/codes"
  return $bad
}

# Programs written for TensorRT, several at a time; each is one line of the table.
clients() {
  local logs program name arguments
  if [ ! -d "$out/clients" ]; then
    echo "programs written for TensorRT: not built"
    return
  fi
  logs=$(mktemp -d)
  if ldd "$out/clients/gpu_trap_10" | grep -q 'libcudart.*not found'; then
    export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$PWD/$out/cudart
  fi
  # These measure the memory that is left and the time that calls take, so they run alone.
  local alone='named_streaming_\|named_steady_'
  for program in $(ls -d "$out"/clients/* | grep -v "$alone") $(ls -d "$out"/clients/* | grep "$alone"); do
    name=$(basename "$program")
    case $name in
      named_streaming_* | named_steady_*) wait ;;
      onnx_model_* | named_onnx_model_*) arguments=samples/digits ;;
      parsed_*) arguments=samples/digits/digits.onnx ;;
      walked_*|composed_*|provider_*) arguments=tests/clients/models ;;
      *) arguments= ;;
    esac
    (CLIENT_VERBOSE=1 timeout 120 "$program" $arguments >"$logs/$name" 2>&1 && : >"$logs/$name.passed") &
    while [ "$(jobs -rp | wc -l)" -ge 8 ]; do sleep 0.05; done
  done
  wait
  for program in "$out"/clients/*; do
    name=$(basename "$program")
    check "client $name" sh -c 'cat "$1"; test -e "$1.passed"' report "$logs/$name"
  done
  rm -rf "$logs"
  check trtexec "$out/bin/trtexec" --onnx=samples/digits/digits.onnx --fp16 --iterations=20 --duration=0
}

# Whole models against the double reference; the first finds its sizes while it runs.
engines() {
  local models name model
  models=$(mktemp -d)
  for name in mlp squeezenet1_1 resnet18 lstm_tagger gru_tagger; do
    check "making $name" python3 bench/models/make.py "$name" --out "$models/$name.onnx"
  done
  check "suppression fp32" "$out/bin/tenon" compare tests/clients/models/suppression.onnx --device cuda --tolerance 1e-5
  for model in samples/digits/digits.onnx "$models"/*.onnx; do
    name=$(basename "$model" .onnx)
    check "$name fp32" "$out/bin/tenon" compare "$model" --device cuda --tolerance 1e-5
    check "$name fp16" "$out/bin/tenon" compare "$model" --device cuda --precision fp16 --tolerance 1e-2
    check "$name bf16" "$out/bin/tenon" compare "$model" --device cuda --precision bf16 --tolerance 3e-2
  done
  rm -rf "$models"
  check "memory held" env TENON_TEST_BACKEND=cuda "$out/bin/builder_test" -m -tc="footprint*"
  check "missing libraries" python3 tests/gpu/check_absent.py "$out"
}

case "${1:-}" in
  package)
    compile "${@:2}"
    headers
    ;;
  build)
    compile
    ;;
  test)
    ready
    part=all
    case "${2:-}" in
      clients | kernels) part=$2 && shift ;;
    esac
    if [ "$part" != kernels ]; then clients; fi
    if [ "$part" != clients ]; then
      check runtime "$out/bin/runtime_test" -m
      kernels kernels 600 "${@:2}"
    fi
    if [ "$part" = all ]; then engines; fi
    printf '%d passed, %d failed\n' "$passed" "$failed"
    [ "$failed" = 0 ]
    ;;
  test-python)
    ready
    [ -d "$out/python" ] || { echo "dist/gpu has no Python packages: no Python with nanobind was found"; exit 1; }
    export PYTHONPATH=$PWD/$out/python${PYTHONPATH:+:$PYTHONPATH}
    jobs=(-n "${TENON_GPU_JOBS:-8}")
    python3 -c 'import xdist' 2>/dev/null || jobs=()
    python3 -m pytest -q --device cuda "${jobs[@]}" -p no:cacheprovider -p no:benchmark "${@:2}" \
      python/tests/test_{cuda,articles,samples,stand_ins,tenon,torch2trt,torch_compile}.py
    ;;
  sanitize)
    ready
    python3 scripts/sanitize.py "$out/bin/backends_test" "${@:2}"
    ;;
  bench)
    ready
    python3 bench/gpu/bench.py --library "$out/lib/libtenon_bench_engine.so" "${@:2}"
    ;;
  *)
    sed -n '2,11p' "$0"
    exit 2
    ;;
esac
