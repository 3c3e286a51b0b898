"""Writes an ONNX model of the benchmark set: structure as torchvision or Hugging Face export it, seeded weights.

usage: make.py NAME --out FILE [--batch N|dynamic] [--batch-norm folded|nodes] [--size PIXELS] [--stats]
       make.py --list
"""

import argparse
import os
import sys

import onnx

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import zoo


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="?", help="one of: " + " ".join(zoo.MODELS))
    parser.add_argument("--out", help="the file to write; default NAME.onnx")
    parser.add_argument("--batch", default="1", help="rows of the inputs, or dynamic; default 1")
    parser.add_argument("--batch-norm", choices=["folded", "nodes"], default="folded")
    parser.add_argument("--size", type=int, help="side of the input image, where the model takes one")
    parser.add_argument("--stats", action="store_true", help="print the deviation of each node's output")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    args = parser.parse_args()
    if args.list:
        print("\n".join(zoo.MODELS))
        return
    if args.name not in zoo.MODELS:
        parser.error(f"model {args.name}; accepted: {' '.join(zoo.MODELS)}")
    batch = None if args.batch == "dynamic" else int(args.batch)
    net = zoo.build(args.name, batch, args.batch_norm == "folded", args.size)
    if args.stats:
        for node in net.nodes:
            for output in node.output:
                value = net.value[output]
                if value.dtype.kind == "f" and value.size > 1:
                    print(f"{node.op_type:20s} {str(value.shape):24s} mean {value.mean():8.3f} std {value.std():8.3f}"
                          f"  {output}")
    path = args.out or args.name + ".onnx"
    onnx.save(net.model(), path)
    print(f"{path}: {len(net.nodes)} nodes, {os.path.getsize(path) / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
