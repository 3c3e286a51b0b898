#!/usr/bin/env python3
"""Writes the models of tests/onnx_cases/exported: small modules through both of torch's exporters, all axes dynamic.

    python tests/onnx_cases/torch_exports.py tests/onnx_cases/exported
"""
import pathlib
import sys
import warnings

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn


class Upsample(nn.Module):
    """Sizes from the input's shape, from int() of a product, and scales."""

    def forward(self, x):
        h, w = x.shape[-2:]
        a = F.interpolate(x, scale_factor=2, mode="nearest")
        b = F.interpolate(a, size=(h, w), mode="bilinear", align_corners=False)
        c = F.interpolate(x, size=(int(h * 1.5), w + 3), mode="bilinear", align_corners=True)
        return a, b, c, F.interpolate(x, scale_factor=0.7, mode="bicubic")


class Windows(nn.Module):
    """Padding to a multiple, cyclic shift, window partition and its inverse, as in Swin."""

    def forward(self, x):
        b, h, w, c = x.shape
        n = 4
        x = F.pad(x, (0, 0, 0, (n - w % n) % n, 0, (n - h % n) % n))
        rows, columns = x.shape[1:3]
        x = torch.roll(x, shifts=(-2, -2), dims=(1, 2))
        y = x.view(b, rows // n, n, columns // n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, n * n, c)
        z = y.reshape(b, rows // n, columns // n, n, n, c).permute(0, 1, 3, 2, 4, 5).reshape(b, rows, columns, c)
        return z[:, :h, :w, :].contiguous()


class DetectionHead(nn.Module):
    """View, grid, split and concatenation, as in YOLOv5."""

    def forward(self, x):
        b, _, ny, nx = x.shape
        x = x.view(b, 3, 7, ny, nx).permute(0, 1, 3, 4, 2).contiguous()
        yv, xv = torch.meshgrid(torch.arange(ny), torch.arange(nx), indexing="ij")
        grid = torch.stack((xv, yv), 2).expand(1, 3, ny, nx, 2).float()
        xy, wh, conf = x.sigmoid().split((2, 2, 3), 4)
        return torch.cat(((xy * 2 + grid) * 8, (wh * 2) ** 2, conf), 4).view(b, 3 * nx * ny, 7)


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)

    def forward(self, x):
        return self.layer(x)


class Indexing(nn.Module):
    def forward(self, x, i):
        y = x.clone()
        y[:, 1:3] = 7
        z = torch.gather(x, 1, i[None, :, None].expand(x.shape[0], -1, x.shape[2]))
        c = x.chunk(2, dim=2)
        return (x[:, i], y, z, F.one_hot(i, 5).float(), torch.tril(x @ x.transpose(1, 2)), c[0], c[1], x.flip(1),
                torch.cumsum(x, 1), x.repeat(1, 2, 1), x.masked_fill(x > 0, -1.0), torch.topk(x, 2, dim=2)[0], x.std(1))


class NonZero(nn.Module):
    def forward(self, x):
        return torch.nonzero(x > 0), torch.where(x > 0)[0]


class Blocks(nn.Module):
    """Channel shuffle, chunks, pixel shuffle and its inverse, reflection, sampling."""

    def forward(self, x):
        b, c, h, w = x.shape
        x = x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, c, h, w)
        p, q = x.chunk(2, dim=1)
        return (torch.cat((F.pixel_shuffle(p, 2), F.pixel_shuffle(q, 2)), 1), F.pixel_unshuffle(x, 2),
                F.pad(x, (1, 1, 2, 2), mode="reflect"),
                F.grid_sample(x, torch.zeros(b, 3, 3, 2) + 0.3, align_corners=False), F.adaptive_avg_pool2d(x, 1))


class Embeddings(nn.Module):
    """Positions from the shape, an additive mask, heads by view, as in BERT."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(10, 8), nn.Embedding(50, 8)

    def forward(self, ids, mask):
        p = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0).expand_as(ids)
        m = (1.0 - mask[:, None, None, :].float()) * -1e4
        h = self.words(ids) + self.places(p)
        h = h.view(h.shape[0], h.shape[1], 2, 4).transpose(1, 2)
        return (torch.softmax(h @ h.transpose(-1, -2) + m, -1) @ h).transpose(1, 2).reshape(ids.shape[0], -1, 8)


class Loop(nn.Module):
    def forward(self, x):
        for i in range(x.shape[1]):
            x = x + i
        return x


def models():
    image = {0: "b", 2: "h", 3: "w"}
    tokens = {0: "b", 1: "t"}
    return {
        "upsample": (Upsample(), [torch.randn(1, 2, 6, 8)], [image], "symbolic"),
        "windows": (Windows(), [torch.randn(2, 7, 11, 3)], [{0: "b", 1: "h", 2: "w"}], "symbolic"),
        "detection_head": (DetectionHead(), [torch.randn(2, 21, 4, 5)], [image], "symbolic"),
        "encoder": (Encoder(), [torch.randn(2, 5, 16)], [tokens], "symbolic"),
        "indexing": (Indexing(), [torch.randn(2, 4, 6), torch.tensor([1, 0, 3])], [tokens, {0: "k"}], "symbolic"),
        "non_zero": (NonZero(), [torch.randn(3, 4)], [tokens], ""),
        "blocks": (Blocks(), [torch.randn(2, 8, 4, 6)], [image], "symbolic"),
        "embeddings": (Embeddings(), [torch.randint(0, 10, (2, 7)), torch.ones(2, 7, dtype=torch.int64)],
                       [tokens, tokens], "symbolic"),
        "loop": (torch.jit.script(Loop()), [torch.randn(2, 3)], [tokens], ""),
    }


def export(module, args, axes, path, dynamo):
    names = [f"x{i}" for i in range(len(args))]
    if dynamo:
        shapes = tuple({k: torch.export.Dim.AUTO for k in d} for d in axes)
        torch.onnx.export(module, tuple(args), path, input_names=names, dynamo=True, dynamic_shapes=shapes,
                          external_data=False, verbose=False)
    else:
        torch.onnx.export(module, tuple(args), path, input_names=names, dynamic_axes=dict(zip(names, axes)),
                          opset_version=17, dynamo=False)


def strip(path):
    """Drops what the exporters note of their sources."""
    model = onnx.load(path)
    graphs = [model.graph]
    for item in [model, *model.functions]:
        del item.metadata_props[:]
    for graph in graphs:
        del graph.metadata_props[:], graph.value_info[:]
        for thing in [graph, *graph.node, *graph.input, *graph.output, *graph.initializer]:
            thing.doc_string = ""
            if hasattr(thing, "metadata_props"):
                del thing.metadata_props[:]
        graphs += [a.g for n in graph.node for a in n.attribute if a.HasField("g")]
    onnx.save(model, path)


def main():
    warnings.filterwarnings("ignore")
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name, (module, args, axes, symbolic) in models().items():
        torch.manual_seed(1)
        module.eval()
        for exporter in ("script", "dynamo"):
            if exporter == "dynamo" and isinstance(module, torch.jit.ScriptModule):
                continue
            case = f"{name}_{exporter}"
            path = folder / f"{case}.onnx"
            export(module, args, axes, str(path), exporter == "dynamo")
            strip(path)
            outputs = module(*args)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            graph = onnx.load(path).graph
            tensors = [numpy_helper.from_array(a.numpy(), "in_" + i.name) for a, i in zip(args, graph.input)]
            tensors += [numpy_helper.from_array(o.detach().numpy(), f"out{k}") for k, o in enumerate(outputs)]
            data = onnx.helper.make_model(onnx.helper.make_graph([], "data", [], [], tensors))
            onnx.save(data, folder / f"{case}.data.onnx")
            lines.append(f"{case} {exporter} 1e-3 1e-5 {symbolic}".strip())
    (folder / "cases.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
