"""The benchmark set: name → function that writes the model into a Net."""

import glob
import hashlib
import os
import sys

import onnx

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import convnets
import others
import resnet
import transformers
from net import Net

MODELS = {
    "resnet18": resnet.resnet18,
    "resnet50": resnet.resnet50,
    "resnext50": resnet.resnext50,
    "mobilenet_v2": convnets.mobilenet_v2,
    "efficientnet_b0": convnets.efficientnet_b0,
    "vit_b_16": transformers.vit_b_16,
    "bert_base": transformers.bert_base,
    "alexnet": convnets.alexnet,
    "vgg16": convnets.vgg16,
    "fcn_resnet101": resnet.fcn_resnet101,
    "squeezenet1_1": convnets.squeezenet1_1,
    "r3d_18": resnet.r3d_18,
    "densenet121": convnets.densenet121,
    "shufflenet_v2": convnets.shufflenet_v2,
    "unet": others.unet,
    "yolov5s": others.yolov5s,
    "lstm_tagger": others.lstm_tagger,
    "gru_tagger": others.gru_tagger,
    "mlp": others.mlp,
}


def build(name, batch=1, fold_batch_norm=True, size=None):
    """A finished Net: `.model()` is the ONNX model, `.value` holds each value on a random batch."""
    net = Net(name, batch, fold_batch_norm)
    MODELS[name](net, **({"size": size} if size else {}))
    return net


def file(name, batch=1):
    """Path of the model's ONNX file, written into .cache/models on first use and after a change of these scripts."""
    here = os.path.dirname(os.path.abspath(__file__))
    digest = hashlib.sha256()
    for script in sorted(glob.glob(os.path.join(here, "*.py"))):
        with open(script, "rb") as f:
            digest.update(f.read())
    folder = os.path.join(here, "..", "..", ".cache", "models", digest.hexdigest()[:8])
    path = os.path.join(os.path.normpath(folder), f"{name}_b{batch}.onnx")
    if not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        onnx.save(build(name, batch).model(), path + ".part")
        os.replace(path + ".part", path)
    return path
