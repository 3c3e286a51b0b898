"""Every argument of torch2trt's documented signature, by name, and a method that no converter knows."""

import inspect
import warnings

import tensorrt as trt
import torch
from torch2trt import torch2trt

DOCUMENTED = ("module inputs input_names output_names log_level max_batch_size fp16_mode max_workspace_size "
              "strict_type_constraints keep_network int8_mode int8_calib_dataset int8_calib_algorithm "
              "int8_calib_batch_size use_onnx").split()
missing = [name for name in DOCUMENTED if name not in inspect.signature(torch2trt).parameters]
print("missing", len(missing))

torch.manual_seed(3)
model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1)).cuda().eval()
x = torch.rand((1, 3, 12, 12)).cuda()
model_trt = torch2trt(model, [x], input_names=["image"], output_names=["score"], log_level=trt.Logger.ERROR,
                      max_batch_size=2, fp16_mode=False, max_workspace_size=1 << 25, strict_type_constraints=False,
                      keep_network=True, int8_mode=False, int8_calib_dataset=None,
                      int8_calib_algorithm=trt.CalibrationAlgoType.ENTROPY_CALIBRATION_2, int8_calib_batch_size=1,
                      use_onnx=False)
print("named", float(torch.max(torch.abs(model(x) - model_trt(x)))))
print("kept", int(model_trt.network is not None))


class Unconverted(torch.nn.Module):
    def forward(self, x):
        return torch.special.i0e(torch.cumsum(torch.relu(x), dim=2)) + 1


with warnings.catch_warnings(record=True) as notes:
    warnings.simplefilter("always")
    module = Unconverted().eval()
    fallen = torch2trt(module, [x])
print("fallback", float(torch.max(torch.abs(module(x) - fallen(x)))))
print("notes", len(notes))
