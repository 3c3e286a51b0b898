"""Classifies the held-back scans with the wrapper, and with buffers and a stream of one's own.

usage: classify.py PLAN
"""

import sys

import numpy as np
from digits import scans
from onnx_helper import ONNXClassifierWrapper
from tenon.samples import common

images, labels = scans()
BATCH = 32
wrapper = ONNXClassifierWrapper(sys.argv[1], [BATCH, 10], target_dtype=np.float32)
found = []
for start in range(0, len(images) - BATCH + 1, BATCH):
    found.extend(wrapper.predict(images[start:start + BATCH]).argmax(1))
print(f"wrapper: {100 * np.mean(found == labels[:len(found)]):.1f} % of {len(found)}")

engine = common.load_engine(sys.argv[1])
context = engine.create_execution_context()
inputs, outputs, bindings, stream = common.allocate_buffers(engine, 0)
context.set_input_shape(engine.get_tensor_name(0), images.shape)
inputs[0].host = images
scores, = common.do_inference(context, engine, bindings, inputs, outputs, stream)
digits = scores[:10 * len(images)].reshape(-1, 10).argmax(1)
print(f"buffers: {100 * np.mean(digits == labels):.1f} % of {len(digits)}")
common.free_buffers(inputs, outputs, stream)
