"""Converts a classifier with torch2trt, compares it, saves its state and loads it, as programs written for a GPU do."""

import sys

import torch
from torch2trt import TRTModule, torch2trt


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 11, stride=4, padding=2), torch.nn.ReLU(inplace=True), torch.nn.MaxPool2d(3, 2),
            torch.nn.Conv2d(16, 24, 5, padding=2), torch.nn.ReLU(inplace=True), torch.nn.MaxPool2d(3, 2))
        self.avgpool = torch.nn.AdaptiveAvgPool2d((1, 1))
        self.classifier = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(24, 32),
                                              torch.nn.ReLU(inplace=True), torch.nn.Linear(32, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


torch.manual_seed(7)
model = Network().eval().cuda()
x = torch.ones((1, 3, 96, 96)).cuda()
model_trt = torch2trt(model, [x])
error = torch.max(torch.abs(model(x) - model_trt(x)))
print("fp32", float(error))
torch.save(model_trt.state_dict(), sys.argv[1])
loaded = TRTModule()
loaded.load_state_dict(torch.load(sys.argv[1]))
print("loaded", float(torch.max(torch.abs(loaded(x) - model_trt(x)))))
half = torch2trt(model, [x], fp16_mode=True)
print("fp16", float(torch.max(torch.abs(model(x) - half(x)))))
batches = torch2trt(model, [x], max_batch_size=8)
y = torch.rand((8, 3, 96, 96), device="cuda")
print("batch", float(torch.max(torch.abs(model(y) - batches(y)))))


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return [torch.rand((3, 96, 96)).cuda()]


quantized = torch2trt(model, [x], int8_mode=True, int8_calib_dataset=Rows())
print("int8", float(torch.max(torch.abs(model(x) - quantized(x)))))
