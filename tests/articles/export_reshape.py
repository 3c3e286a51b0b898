"""A convolution whose result is flattened with the batch left open, exported by torch and run by tensorrt."""

import sys

import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, stride=1, padding=1, bias=True)
        self.conv.weight.data.fill_(0.3)
        self.conv.bias.data.fill_(0.2)

    def forward(self, x):
        x = self.conv(x)
        return x.view(-1, int(x.numel() // x.size(0)))


model = Model().eval()
x = torch.full((1, 1, 3, 3), 1.0)
y = model(x)
torch.onnx.export(model, (x, ), sys.argv[1], verbose=True, **({"dynamo": False} if "script" in sys.argv else {}))

import tensorrt as trt  # noqa: E402

logger = trt.Logger(trt.Logger.WARNING)
builder = trt.Builder(logger)
network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
parser = trt.OnnxParser(network, logger)
assert parser.parse_from_file(sys.argv[1])
config = builder.create_builder_config()
engine = trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))
context = engine.create_execution_context()
given, result = x.cuda(), torch.empty((1, 9), device="cuda")
assert context.execute_v2([given.data_ptr(), result.data_ptr()])
print("values", " ".join(f"{v:.1f}" for v in result.reshape(-1).tolist()))
print("error", float((result.cpu() - y).abs().max()))
