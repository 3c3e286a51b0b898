"""The models of the GPU benchmark, seeded, with every layer's variance near 1, and their export to ONNX."""

import contextlib
import io

import torch


def _torchvision(name, **arguments):
    import torchvision

    return getattr(torchvision.models, name)(weights=None, **arguments)


def _bert():
    from transformers import BertConfig, BertModel

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = BertModel(BertConfig(attn_implementation="sdpa"), add_pooling_layer=False)

        def forward(self, ids):
            return self.bert(input_ids=ids).last_hidden_state

    return Encoder()


class _Segmentation(torch.nn.Module):
    def __init__(self):
        super().__init__()
        import torchvision

        self.net = torchvision.models.segmentation.fcn_resnet101(weights=None, weights_backbone=None, aux_loss=False)

    def forward(self, x):
        return self.net(x)["out"]


class _Video(torch.nn.Module):
    def __init__(self):
        super().__init__()
        import torchvision

        self.net = torchvision.models.video.r3d_18(weights=None)

    def forward(self, x):
        return self.net(x)


# name: (constructor, input dims without the batch)
MODELS = {
    "alexnet": (lambda: _torchvision("alexnet"), (3, 224, 224)),
    "resnet50": (lambda: _torchvision("resnet50"), (3, 224, 224)),
    "mobilenet_v2": (lambda: _torchvision("mobilenet_v2"), (3, 224, 224)),
    "efficientnet_b0": (lambda: _torchvision("efficientnet_b0"), (3, 224, 224)),
    "vit_b_16": (lambda: _torchvision("vit_b_16"), (3, 224, 224)),
    "bert_base_128": (_bert, (128,)),
    "bert_base_384": (_bert, (384,)),
    "r3d_18": (_Video, (3, 16, 112, 112)),
    "fcn_resnet101": (_Segmentation, (3, 520, 520)),
}

# Best known peer on an H200 in fp16, milliseconds at batch 1 and 32, of all peers (torch compile modes, ONNX Runtime).
KNOWN = {
    "resnet50": (0.515, 1.557),
    "mobilenet_v2": (0.399, 0.992),
    "efficientnet_b0": (0.648, 1.608),
    "vit_b_16": (0.633, 3.27),
    "bert_base_128": (0.841, 2.466),
    "bert_base_384": (0.971, 6.128),
    "fcn_resnet101": (2.09, 34.9),
    "r3d_18": (0.620, 7.68),
    "alexnet": (0.213, 0.373),
}

# The floor in milliseconds at batch 1 and 32: the larger of each kernel's bytes and operations at the rates that were
# measured (4.3 TB/s, 790 TFLOP/s), and of 1.5 microseconds a launch.
FLOOR = {
    "resnet50": (0.084, 0.543),
    "mobilenet_v2": (0.081, 0.206),
    "efficientnet_b0": (0.100, 0.209),
    "vit_b_16": (0.130, 1.586),
    "bert_base_128": (0.128, 1.024),
    "bert_base_384": (0.128, 3.082),
    "fcn_resnet101": (0.643, 20.5),
    "r3d_18": (0.111, 3.37),
    "alexnet": (0.029, 0.08),
}


class Ends(torch.nn.Module):
    """A network in single precision between inputs and outputs of another type."""

    def __init__(self, net, dtype):
        super().__init__()
        self.net, self.dtype = net, dtype

    def forward(self, x):
        return self.net(x.float() if x.is_floating_point() else x).to(self.dtype)


def make_input(name, batch, seed):
    generator = torch.Generator().manual_seed(seed)
    dims = MODELS[name][1]
    if len(dims) == 1:
        return torch.randint(0, 30000, (batch, *dims), generator=generator).cuda()
    return torch.randn((batch, *dims), generator=generator).cuda()


def _residual_end(module):
    """The normalisation that ends a residual branch, or None."""
    kind = type(module).__name__
    if kind == "Bottleneck" and hasattr(module, "bn3"):
        return module.bn3
    if kind == "BasicBlock":
        return module.bn2 if hasattr(module, "bn2") else module.conv2[-1]
    if kind == "InvertedResidual" and module.use_res_connect:
        return module.conv[-1]
    if kind == "MBConv" and module.use_res_connect:
        return module.block[-1][1]
    return None


def make(name):
    """The model in double precision on the GPU, in evaluation mode."""
    torch.manual_seed(1)
    model = MODELS[name][0]()
    for module in model.modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Conv3d)):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
        if isinstance(module, torch.nn.Linear) and not module.weight.any():
            torch.nn.init.xavier_uniform_(module.weight)  # a head that starts at zero
    model = model.cuda().float()
    ends = [end for module in model.modules() if (end := _residual_end(module)) is not None]
    for end in ends:  # the branches together add up to one: at full strength random weights amplify rounding
        torch.nn.init.constant_(end.weight, min(0.25, 1 / len(ends)))
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    if norms:  # statistics of a random batch
        model.eval()
        for m in norms:
            m.train()
            m.momentum = 1.0
        with torch.no_grad():
            model(make_input(name, 16, 7))
    model.eval()
    for p in model.parameters():
        p.requires_grad_(False)
    return model.double()


def export(model, name, batch, path, dtype=torch.half):
    """Writes the model, fixed to a batch size, with inputs and outputs of a type and weights in single precision.

    Afterwards the model is of that type.
    """
    example = make_input(name, batch, 1)
    if example.is_floating_point():
        example = example.to(dtype)
    torch.backends.mha.set_fastpath_enabled(False)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(
            Ends(model.float(), dtype).eval(), (example,), path, opset_version=17, dynamo=False, input_names=["x"],
            output_names=["y"]
        )
    torch.backends.mha.set_fastpath_enabled(True)
    model.to(dtype)
