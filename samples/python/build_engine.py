"""ONNX to a plan: parses, sets a range of batches, builds and writes.

usage: build_engine.py PLAN [--onnx MODEL] [--fp16]
"""

import argparse
import sys

import tensorrt as trt
from digits import MODEL
from tenon.samples import common

LOGGER = trt.Logger(trt.Logger.WARNING)


def build(path, batches=(1, 64, 512), fp16=False):
    """The plan of a model whose first dimension is the batch."""
    builder = trt.Builder(LOGGER)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = trt.OnnxParser(network, LOGGER)
    if not parser.parse_from_file(str(path)):
        sys.exit("\n".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, common.GiB(1))
    if fp16:
        config.set_flag(trt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    for i in range(network.num_inputs):
        tensor = network.get_input(i)
        profile.set_shape(tensor.name, *((batch, *tuple(tensor.shape)[1:]) for batch in batches))
    config.add_optimization_profile(profile)
    return builder.build_serialized_network(network, config)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("plan")
    parser.add_argument("--onnx", default=MODEL)
    parser.add_argument("--fp16", action="store_true")
    args = parser.parse_args()
    plan = build(args.onnx, fp16=args.fp16)
    if plan is None:
        sys.exit("the build failed; the log has the reason")
    with open(args.plan, "wb") as file:
        file.write(plan)
    print(f"{args.plan}: {plan.nbytes} bytes")
