"""The command-line programs: what every option of trtexec does, and what is refused."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import tenon

TRTEXEC = pathlib.Path(tenon.__file__).absolute().parents[2] / "bin" / "trtexec"
pytestmark = pytest.mark.skipif(not TRTEXEC.exists(), reason="no build folder")
W = np.array([[1, -1], [2, 0], [3, 1]], np.float32)
SHORT = ["--iterations=1", "--duration=0", "--warmUp=0"]


def save(path, weights):
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["m"], "product"), helper.make_node("Relu", ["m"], ["y"])], "affine",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    path.write_bytes(model.SerializeToString())
    return str(path)


@pytest.fixture
def onnx(tmp_path):
    return "--onnx=" + save(tmp_path / "model.onnx", W)


def run(folder, *arguments, fails=False):
    environment = dict(os.environ, CUDA_VISIBLE_DEVICES="")
    result = subprocess.run([TRTEXEC, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    text = result.stdout + result.stderr
    assert (result.returncode == 1) == fails and result.returncode in (0, 1), text
    assert ("&&&& FAILED" if fails else "&&&& PASSED") in text
    return text


def test_profiles_and_their_shapes(tmp_path, onnx):
    text = run(tmp_path, onnx, "--profile=0", "--minShapes=x:1x3", "--optShapes=x:2x3", "--maxShapes=x:4x3",
               "--profile=1", "--minShapes=x:5x3", "--optShapes=x:6x3", "--maxShapes=x:8x3", "--saveEngine=plan",
               "--skipInference", "--dumpOptimizationProfile")
    assert "Profile 0, input x: min = 1x3, opt = 2x3, max = 4x3" in text
    assert "Profile 1, input x: min = 5x3, opt = 6x3, max = 8x3" in text
    text = run(tmp_path, "--loadEngine=plan", "--useProfile=1", "--shapes=x:7x3", "--dumpOutput", *SHORT)
    assert "y: (7x2)" in text
    run(tmp_path, "--loadEngine=plan", "--useProfile=0", "--shapes=x:7x3", *SHORT, fails=True)
    run(tmp_path, "--loadEngine=plan", "--useProfile=2", *SHORT, fails=True)
    assert "no shapes" in run(tmp_path, onnx, "--profile=1", "--minShapes=x:1x3", fails=True)
    for strategy in "static", "profile", "runtime":
        run(tmp_path, "--loadEngine=plan", "--shapes=x:3x3", "--allocationStrategy=" + strategy, *SHORT)


def test_weights_of_another_model(tmp_path, onnx):
    other = save(tmp_path / "other.onnx", W * 2)
    x = np.float32([[1, 2, 3], [0.5, -1, 2]])
    x.tofile(tmp_path / "x.raw")
    np.maximum(x @ (2 * W), 0).tofile(tmp_path / "y.raw")
    run(tmp_path, onnx, "--shapes=x:2x3", "--stripWeights", "--saveEngine=plan", "--skipInference")
    text = run(tmp_path, "--loadEngine=plan", "--refitFromOnnx=" + other, "--timeRefit", "--dumpRefit",
               "--loadInputs=x:x.raw", "--loadRefOutputs=y:y.raw", "--accuracyAlgorithm=lInf",
               "--accuracyThreshold=1e-5", *SHORT)
    assert "Engine refitted in" in text and "Refittable weights" in text and "passed" in text
    run(tmp_path, "--loadEngine=plan", *SHORT, fails=True)
    run(tmp_path, onnx, "--shapes=x:2x3", "--stripWeights", *SHORT)
    assert "--refit" in run(tmp_path, onnx, "--shapes=x:2x3", "--timeRefit", *SHORT, fails=True)


@pytest.mark.parametrize("algorithm", ["l0", "l1", "l2", "lInf", "cos"])
def test_outputs_beside_references(tmp_path, onnx, algorithm):
    pairs = []
    for pair in range(2):
        x = np.random.default_rng(pair).normal(size=(4, 3)).astype(np.float32)
        x.tofile(tmp_path / f"x{pair}")
        np.maximum(x @ W, 0).tofile(tmp_path / f"y{pair}")
        pairs += [f"--refPair={pair}", f"--loadInputs=x:x{pair}", f"--loadRefOutputs=y:y{pair}"]
    options = [onnx, "--shapes=x:4x3", "--accuracyAlgorithm=" + algorithm, *SHORT]
    assert run(tmp_path, *options, *pairs).count(", passed") == 2
    np.random.default_rng(5).normal(size=(4, 2)).astype(np.float32).tofile(tmp_path / "y1")
    text = run(tmp_path, *options, *pairs, fails=True)
    assert text.count(", passed") == 1 and text.count(", FAILED") == 1
    assert "no output 'z'" in run(tmp_path, *options, "--loadRefOutputs=z:y1", fails=True)
    assert "no input 'z'" in run(tmp_path, *options, "--loadInputs=z:y1", fails=True)


def test_watched_tensors(tmp_path, onnx):
    x = np.float32([[1, 2, -3]])
    x.tofile(tmp_path / "x.raw")
    run(tmp_path, onnx, "--shapes=x:1x3", "--markDebug=m", "--saveEngine=plan", "--skipInference")
    text = run(tmp_path, "--loadEngine=plan", "--loadInputs=x:x.raw", "--saveDebugTensors=m:m.bin",
               "--saveAllDebugTensors=summary,numpy,string,raw", *SHORT)
    assert "Debug tensor m (1x2): min = -4, max = -4, mean = -4" in text
    np.testing.assert_array_equal(np.fromfile(tmp_path / "m.bin", np.float32), (x @ W)[0])
    np.testing.assert_array_equal(np.fromfile(tmp_path / "m.raw", np.float32), (x @ W)[0])
    np.testing.assert_array_equal(np.load(tmp_path / "m.npy"), x @ W)
    assert (tmp_path / "m.txt").read_text().splitlines()[1:] == ["-4", "-4"]
    run(tmp_path, "--loadEngine=plan", "--saveDebugTensors=y:y.bin", *SHORT, fails=True)
    assert "no tensor 'q'" in run(tmp_path, onnx, "--markDebug=q", fails=True)
    run(tmp_path, onnx, "--shapes=x:1x3", "--markUnfusedTensorsAsDebugTensors", "--saveAllDebugTensors=summary", *SHORT)


def test_plans_are_looked_at(tmp_path, onnx):
    run(tmp_path, onnx, "--shapes=x:1x3", "--saveEngine=plan", "--skipInference", "--exportLayerInfo=layers.json")
    assert json.loads((tmp_path / "layers.json").read_text())["Layers"]
    assert "format version 1" in run(tmp_path, "--loadEngine=plan", "--getPlanVersionOnly")
    assert "not a plan" in run(tmp_path, "--loadEngine=model.onnx", "--getPlanVersionOnly", fails=True)
    text = run(tmp_path, "--loadEngine=plan", "--timeDeserialize")
    assert "Deserialization time:" in text and "Starting inference" not in text


def test_links_and_devices_stay_when_they_are_written(tmp_path, onnx):
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    run(tmp_path, onnx, "--shapes=x:1x3", "--saveEngine=link", "--skipInference")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "target").read_bytes().startswith(b"TENONPL\n")
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE)
    run(tmp_path, onnx, "--shapes=x:1x3", "--saveEngine=pipe", "--skipInference")
    assert reader.communicate(timeout=20)[0].startswith(b"TENONPL\n") and (tmp_path / "pipe").is_fifo()
    assert "a directory" in run(tmp_path, onnx, "--shapes=x:1x3", "--saveEngine=.", "--skipInference", fails=True)
    assert "a directory" in run(tmp_path, "--loadEngine=.", fails=True)


SETTINGS = """--avgTiming=2 --minTiming=1 --heuristic --noBuilderCache --noCompilationCache
--tacticSources=-CUDNN,+CUBLAS --sparsity=enable --sparsity=force --profilingVerbosity=detailed
--preview=+profileSharing0806,-aliasedPluginIO1003 --maxAuxStreams=1 --tilingOptimizationLevel=1
--l2LimitForTiling=1024 --distributiveIndependence --monitorMemory --remoteAutoTuningConfig=ssh://user@host
--dumpKernelText=/dev/null --tuneBuildRoutes=a --tuneBuildRouteFile=a --tuningSearch=fast --tuningCacheFile=a
--tuningTimeOut=1 --saveAllEngines --dryRun --continue --helpBuildRoute --setBuildRoute=a --versionCompatible --vc
--excludeLeanRuntime --leanDLLPath=a --useRuntime=lean --hardwareCompatibilityLevel=ampere+
--runtimePlatform=sameAsBuild --allowWeightStreaming --pluginInstanceNorm --pi --enablePluginOverride
--uint8AsymmetricQuantizationDLA --reportCapabilityDLA --adjustForDLA --ignoreParsedPluginLibs --asyncFileReader
--noTF32 --stronglyTyped --precisionConstraints=prefer --layerPrecisions=product:fp32 --layerOutputTypes=product:fp32
--layerDeviceTypes=*:GPU --decomposableAttentions=a --inputIOFormats=fp32:chw --outputIOFormats=fp32:chw --directIO
--calibProfile=0 --minShapesCalib=x:1x3 --batch=1 --maxBatch=1 --explicitBatch --output=y --workspace=64
--memPoolSize=workspace:64,tacticSharedMem:1M --builderOptimizationLevel=1 --maxTactics=2 --fp16 --bf16 --int8 --fp8
--int4 --best --refit --stripAllWeights --threads --useSpinWait --noSpinWait --useCudaGraph --noCudaGraph
--separateProfileRun --useManagedMemory --exposeDMA --persistentCacheRatio=0.5 --noDataTransfers
--includeDataTransfers --idleTime=1 --sleepTime=1 --infStreams=2 --streams=1 --avgRuns=1 --percentile=50 --verbose
--dumpProfile --dumpRawBindingsToFile --device=0 --allowGPUFallback --tempdir=.
--tempfileControls=in_memory:allow,temporary:deny --cpuOnly --timingCacheFile=times"""


@pytest.mark.parametrize("option", SETTINGS.split())
def test_option_is_accepted(tmp_path, onnx, option):
    run(tmp_path, onnx, "--shapes=x:1x3", option, *SHORT)


REFUSED = """--nothing --fp16=yes --sparsity=some --precisionConstraints=maybe --hardwareCompatibilityLevel=all
--tacticSources=+NONE --tacticSources=CUDNN --preview=+none --allocationStrategy=none --useRuntime=none
--tuningSearch=none --tempfileControls=none --memPoolSize=workspace:-5 --workspace=-1 --duration=-1 --warmUp=nan
--device=7 --useProfile=1 --profile=-1 --calibProfile=1 --layerDeviceTypes=product:NPU --layerDeviceTypes=nothing:GPU
--layerPrecisions=nothing:fp16 --tilingOptimizationLevel=9 --saveAllDebugTensors=png --accuracyAlgorithm=none
--refitFromOnnx=model.onnx --getPlanVersionOnly --deploy=a --model=a --uff=a --uffInput=a --uffNHWC --consistency
--safetyPlugins=a --safe --buildDLAStandalone --useDLACore=0 --plugins=none.so --calib=none --shapes=z:1x3 --shapes=x
--loadInputs=x --infStreams=0 --runtimePlatform=none --percentile=101 --setPluginsToSerialize=none.so"""


@pytest.mark.parametrize("option", REFUSED.split())
def test_option_is_refused(tmp_path, onnx, option):
    assert "[E]" in run(tmp_path, onnx, option, *SHORT, fails=True)


def test_a_plan_is_no_model(tmp_path, onnx):
    program = TRTEXEC.with_name("tenon")
    subprocess.run([program, "build", "model.onnx", "-o", "plan"], cwd=tmp_path, capture_output=True, check=True)
    again = subprocess.run([program, "build", "plan", "-o", "other"], cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 1 and "plan: a plan is built already" in again.stderr
    assert not (tmp_path / "other").exists()


def test_python_path_of_the_build():
    program = TRTEXEC.with_name("tenon")
    path = subprocess.run([program, "python-path"], capture_output=True, text=True, check=True).stdout
    code = "import tensorrt; print(tensorrt.__file__)"
    environment = dict(os.environ, PYTHONPATH=path.strip())
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(path.strip())
