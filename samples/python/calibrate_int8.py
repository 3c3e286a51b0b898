"""INT8 by calibration: a calibrator in Python feeds batches, its cache is written and read again.

usage: calibrate_int8.py CACHE
"""

import pathlib
import sys

import numpy as np
import tensorrt as trt
from build_engine import LOGGER
from digits import MODEL, scans
from tenon.samples import common

BATCH = 40
images, labels = scans()


class Calibrator(trt.IInt8EntropyCalibrator2):
    def __init__(self, cache):
        trt.IInt8EntropyCalibrator2.__init__(self)
        self.cache, self.batches, self.read_from = pathlib.Path(cache), 0, None
        self.memory = common.HostDeviceMem(BATCH * 64)

    def get_batch_size(self):
        return BATCH

    def get_batch(self, names):
        start = self.batches * BATCH
        if start + BATCH > 120:
            return None
        self.batches += 1
        self.memory.host = images[start:start + BATCH]
        common.memcpy_host_to_device(self.memory.device, self.memory.host)
        return [self.memory.device]

    def read_calibration_cache(self):
        if self.cache.exists():
            return self.cache.read_bytes()

    def write_calibration_cache(self, cache):
        self.cache.write_bytes(bytes(cache))


def engine_with(calibrator):
    builder = trt.Builder(LOGGER)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    assert trt.OnnxParser(network, LOGGER).parse_from_file(str(MODEL))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape(network.get_input(0).name, (1, 1, 8, 8), (BATCH, 1, 8, 8), (360, 1, 8, 8))
    config.add_optimization_profile(profile)
    config.set_calibration_profile(profile)
    config.set_flag(trt.BuilderFlag.INT8)
    config.int8_calibrator = calibrator
    return builder.build_engine(network, config)


for turn in ("measured", "cached"):
    calibrator = Calibrator(sys.argv[1])
    engine = engine_with(calibrator)
    context = engine.create_execution_context()
    inputs, outputs, bindings, stream = common.allocate_buffers(engine, 0)
    context.set_input_shape(engine.get_tensor_name(0), images.shape)
    inputs[0].host = images
    scores, = common.do_inference_v2(context, bindings, inputs, outputs, stream)
    right = np.mean(scores.reshape(-1, 10).argmax(1) == labels)
    print(f"{turn}: {calibrator.batches} batches, {100 * right:.1f} % of {len(labels)}")
print(pathlib.Path(sys.argv[1]).read_text().splitlines()[0])
