"""The digits' network built layer by layer from the weights of its ONNX file, beside the parsed one."""

import numpy as np
import onnx
import tensorrt as trt
from build_engine import LOGGER, build
from digits import MODEL, scans
from onnx import numpy_helper
from tenon.samples import common

model = onnx.load(MODEL)
weights = {w.name: numpy_helper.to_array(w) for w in model.graph.initializer}


def attributes(node):
    return {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}


def add_node(network, tensors, node):
    """Adds the layers of one of the model's nodes; the operators that it has are known."""
    given, values = [tensors[n] for n in node.input if n in tensors], [weights[n] for n in node.input if n in weights]
    settings = attributes(node)
    if node.op_type == "Conv":
        layer = network.add_convolution_nd(given[0], values[0].shape[0], values[0].shape[2:], values[0], *values[1:])
        layer.stride_nd = settings.get("strides", [1, 1])
        layer.padding_nd = settings.get("pads", [0, 0, 0, 0])[:2]
    elif node.op_type == "Relu":
        layer = network.add_activation(given[0], trt.ActivationType.RELU)
    elif node.op_type == "MaxPool":
        layer = network.add_pooling_nd(given[0], trt.PoolingType.MAX, settings["kernel_shape"])
        layer.stride_nd = settings["strides"]
    elif node.op_type == "Flatten":
        layer = network.add_shuffle(given[0])
        layer.reshape_dims = (0, -1)
    elif node.op_type == "Gemm":
        matrix = network.add_constant(values[0].shape, values[0]).get_output(0)
        turn = trt.MatrixOperation.TRANSPOSE if settings.get("transB") else trt.MatrixOperation.NONE
        product = network.add_matrix_multiply(given[0], trt.MatrixOperation.NONE, matrix, turn)
        bias = network.add_constant((1, values[1].size), values[1].reshape(1, -1)).get_output(0)
        layer = network.add_elementwise(product.get_output(0), bias, trt.ElementWiseOperation.SUM)
    elif node.op_type == "Div":
        number = network.add_constant((1, 1, 1, 1), values[0].reshape(1, 1, 1, 1)).get_output(0)
        layer = network.add_elementwise(given[0], number, trt.ElementWiseOperation.DIV)
    else:
        raise SystemExit(f"{node.op_type} is not among the layers of this sample")
    layer.name = node.name
    tensors[node.output[0]] = layer.get_output(0)


def scores(plan, images):
    engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
    context = engine.create_execution_context()
    inputs, outputs, bindings, stream = common.allocate_buffers(engine, 0)
    context.set_input_shape(engine.get_tensor_name(0), images.shape)
    inputs[0].host = images
    found, = common.do_inference(context, engine, bindings, inputs, outputs, stream)
    return found[:10 * len(images)].reshape(-1, 10).copy()


builder = trt.Builder(LOGGER)
network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
entry = model.graph.input[0].name
tensors = {entry: network.add_input(entry, trt.float32, (-1, 1, 8, 8))}
for node in model.graph.node:
    add_node(network, tensors, node)
network.mark_output(tensors[model.graph.output[0].name])
config, profile = builder.create_builder_config(), builder.create_optimization_profile()
profile.set_shape(entry, (1, 1, 8, 8), (64, 1, 8, 8), (512, 1, 8, 8))
config.add_optimization_profile(profile)

images, labels = scans()
by_hand = scores(builder.build_serialized_network(network, config), images)
parsed = scores(build(MODEL), images)
print(f"{network.num_layers} layers, {100 * np.mean(by_hand.argmax(1) == labels):.1f} % of {len(labels)}")
print(f"difference from the parsed network: {np.abs(by_hand - parsed).max():.2e}")
