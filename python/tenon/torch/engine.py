"""Engines over torch's tensors, which are passed by address."""

import torch

_NAMES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int8: "i8",
          torch.uint8: "u8", torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.bool: "bool"}
_TYPES = {name: dtype for dtype, name in _NAMES.items()}


class CpuEngine:
    """Takes and returns contiguous tensors of the CPU; neither is copied."""

    def __init__(self, model, options, ranges):
        from tenon import compile

        self._engine = compile(model, precision=options.precision, threads=options.threads or torch.get_num_threads(),
                               level=options.level, shapes=ranges)
        self._core = self._engine._core

    def accepts(self, inputs):
        return True

    def __call__(self, inputs):
        from tenon import _core

        inputs = [t if t.is_contiguous() else t.contiguous() for t in inputs]
        borrowed = [_core.borrow(t.data_ptr(), t.shape, _NAMES[t.dtype]) for t in inputs]
        outputs = []
        for made in self._core.run(borrowed):
            dims, dtype = made.dims, _TYPES[made.dtype]
            raw = made.bytes()
            outputs.append(torch.from_numpy(raw).view(dtype).view(dims) if raw.size else torch.empty(dims, dtype=dtype))
        return outputs


class CudaEngine:
    """The same on a GPU; work goes to torch's current stream."""

    def __init__(self, model, options, ranges, device):
        from tenon import compile

        self._engine = compile(model, device=f"cuda:{device.index or 0}", precision=options.precision,
                               threads=options.threads, level=options.level, shapes=ranges)
        self._device, self._ranges = device, [ranges[io.name] for io in self._engine.inputs]

    def accepts(self, inputs):
        """Whether the engine was built for these sizes."""
        return all(low <= size <= high for t, (least, _, most) in zip(inputs, self._ranges)
                   for low, size, high in zip(least, t.shape, most))

    def __call__(self, inputs):
        # Numbers that PyTorch keeps in the host's memory go along.
        return self._engine.run_torch([t if t.is_cuda else t.to(self._device) for t in inputs])
