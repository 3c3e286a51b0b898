"""What bench/cpu.py times: one function a peer, model file → callable from a list of inputs to a list of outputs."""

import os

import numpy as np

os.environ.setdefault("OPENVINO_TELEMETRY", "0")


def onnxruntime(path, threads):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return lambda inputs: session.run(None, dict(zip(names, inputs)))


def openvino(path, threads, precision="f32"):
    """OpenVINO runs float models in bf16 where the processor has it, unless the hint says f32."""
    import openvino as ov
    config = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": precision}
    request = ov.Core().compile_model(path, "CPU", config).create_infer_request()

    def run(inputs):
        request.infer(dict(enumerate(inputs)), share_inputs=True)
        return [t.data for t in request.output_tensors]

    return run


def openvino_bf16(path, threads):
    return openvino(path, threads, "bf16")


def tenon(path, threads, precision="fp32"):
    import tenon as module
    return module.compile(path, device="cpu", precision=precision, threads=threads).run


def tenon_bf16(path, threads):
    return tenon(path, threads, "bf16")


# Name → (function, precision). Ratios compare peers and tenon of one precision.
PEERS = {
    "ort": (onnxruntime, "fp32"),
    "ov": (openvino, "fp32"),
    "tenon": (tenon, "fp32"),
    "ov-bf16": (openvino_bf16, "bf16"),
    "tenon-bf16": (tenon_bf16, "bf16"),
}


def versions():
    """Name and version of each library that imports."""
    found = []
    for name in ("tenon", "onnxruntime", "openvino", "numpy"):
        try:
            module = __import__(name)
            found.append(f"{name} {getattr(module, '__version__', '')}".split("-")[0].strip())
        except ImportError:
            pass
    return found


def relative_error(outputs, reference):
    """The largest ‖y − r‖/‖r‖ over the outputs."""
    errors = []
    for y, r in zip(outputs, reference):
        y, r = np.asarray(y, np.float64), np.asarray(r, np.float64)
        errors.append(float(np.linalg.norm(y - r) / max(np.linalg.norm(r), 1e-300)))
    return max(errors)
