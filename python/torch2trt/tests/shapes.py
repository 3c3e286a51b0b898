"""Reshaping, transposing, joining, splitting, indexing, padding and assignment."""

import torch

from ._register import M, V, X, case, cases

F = torch.nn.functional


def assign(x):
    y = torch.zeros(2, 3, 8, 8, device=x.device)
    y[:, :, 0::2, 1::2] = x[:, :, ::2, ::2]
    y[0, 1] = x[0, 0] * 2
    y[..., 3] = 5.0
    return y


def assign_to_input(x):
    y = x * 2
    y[:, 1] = x[:, 0]
    y[:, :, 2:4] = 0
    return y


def dwt(x):
    """The Haar wavelet transform of MWCNN."""
    even, odd = x[:, :, 0::2, :] / 2, x[:, :, 1::2, :] / 2
    a, b, c, d = even[..., 0::2], odd[..., 0::2], even[..., 1::2], odd[..., 1::2]
    return torch.cat((a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d), 1)


def iwt(x):
    """Its inverse, by assignment to every second row and column."""
    n, channels, height, width = x.size()
    channels //= 4
    a, b, c, d = (x[:, i * channels:(i + 1) * channels] / 2 for i in range(4))
    y = torch.zeros([n, channels, height * 2, width * 2], device=x.device).float()
    y[:, :, 0::2, 0::2] = a - b - c + d
    y[:, :, 1::2, 0::2] = a - b + c - d
    y[:, :, 0::2, 1::2] = a + b - c - d
    y[:, :, 1::2, 1::2] = a + b + c + d
    return y


cases("view", {
    "two": lambda x: x.view(2, -1), "tuple": lambda x: x.view((2, 3, 64)), "size": lambda x: x.view(x.size(0), -1),
    "reshape": lambda x: x.reshape(x.size(0), 24, 8), "torch_reshape": lambda x: torch.reshape(x, (2, 192)),
    "shape": lambda x: x.reshape(x.shape[0], x.shape[1], -1), "flatten": lambda x: torch.flatten(x, 1),
    "flatten_middle": lambda x: x.flatten(1, 2), "flatten_keywords": lambda x: torch.flatten(x, start_dim=2, end_dim=3),
    "flatten_all": lambda x: x.flatten(), "squeeze": lambda x: x[:, :1].squeeze(1), "unflatten": lambda x: x.unflatten(
        2, (2, 4)), "squeeze_none": lambda x: torch.squeeze(x, 1), "squeeze_all": lambda x: x[:, :1, :1].squeeze(),
    "unsqueeze": lambda x: x.unsqueeze(-1), "torch_unsqueeze": lambda x: torch.unsqueeze(x, 1),
    "unsqueeze_keyword": lambda x: torch.unsqueeze(x, dim=2), "contiguous": lambda x: x.contiguous() + 1,
    "clone": lambda x: x.clone() * 2, "torch_clone": lambda x: torch.clone(x) + 1, "detach": lambda x: x.detach() + 1,
    "types": lambda x: (x * 9).int().float() + 1, "to": lambda x: (x * 9).to(torch.int32).to(torch.float32),
    "dim": lambda x: x * x.dim(), "identity": lambda x: x})
cases("permute", {
    "channels_last": lambda x: x.permute(0, 2, 3, 1), "tuple": lambda x: x.permute((0, 3, 1, 2)),
    "batch": lambda x: x.permute(3, 2, 1, 0), "negative": lambda x: x.permute(0, -1, 1, -2),
    "torch": lambda x: torch.permute(x, (0, 2, 1, 3)), "transpose": lambda x: x.transpose(1, -1),
    "torch_transpose": lambda x: torch.transpose(x, 2, 3), "keywords": lambda x: torch.transpose(x, dim0=1, dim1=2)})
case("permute_volume", lambda x: x.permute(0, 1, 4, 2, 3), V)
case("transpose_matrix", lambda x: x.t(), M)
cases("cat", {
    "channels": lambda x: torch.cat([x, x * 2], 1), "keyword": lambda x: torch.cat((x, x, x), dim=2),
    "last": lambda x: torch.cat((x, torch.ones(2, 3, 8, 1, device=x.device)), dim=-1),
    "concat": lambda x: torch.concat([x, -x], 0), "stack": lambda x: torch.stack([x, -x], 1),
    "stack_first": lambda x: torch.stack((x, x), 0), "stack_last": lambda x: torch.stack([x, x], dim=-1)})
case("cat_two_inputs", lambda x, y: torch.cat([x, y], 1), X, (2, 5, 8, 8))
for _name, _split in (("torch_split", torch.split), ("tensor_split", lambda x, *a, **k: x.split(*a, **k))):
    case(f"{_name}_first", lambda x, f=_split: f(x, 1, 1)[0])
    case(f"{_name}_all", lambda x, f=_split: f(x, 3, 2))
    case(f"{_name}_keyword", lambda x, f=_split: f(x, 4, dim=-1)[1])
    case(f"{_name}_sizes", lambda x, f=_split: f(x, [1, 5, 2], 3))
for _name, _chunk in (("torch_chunk", torch.chunk), ("tensor_chunk", lambda x, *a, **k: x.chunk(*a, **k))):
    case(f"{_name}_two", lambda x, f=_chunk: f(x, 2, 3)[1])
    case(f"{_name}_uneven", lambda x, f=_chunk: f(x, 3, 2))
    case(f"{_name}_keyword", lambda x, f=_chunk: f(x, 3, dim=1)[2])
cases("narrow", {"torch": lambda x: torch.narrow(x, 2, 1, 4), "tensor": lambda x: x.narrow(1, 0, 2),
                 "negative": lambda x: x.narrow(-1, 2, 3), "keywords": lambda x: x.narrow(dim=3, start=1, length=5)})
cases("getitem", {
    "row": lambda x: x[:, 1], "last": lambda x: x[..., -1], "range": lambda x: x[:, 1:3], "open": lambda x: x[:, :, 2:],
    "negative": lambda x: x[:, :, -4:-1], "stride": lambda x: x[:, :, ::2, 1::3], "mixed": lambda x: x[:, 1:, ::2, -3],
    "none": lambda x: x[..., None, 2:5], "none_first": lambda x: x[:, None], "batch": lambda x: x[0],
    "two": lambda x: x[:, 0, 3], "ellipsis": lambda x: x[..., 1:3, :], "all": lambda x: x[:]})
cases("roll", {"one": lambda x: torch.roll(x, 1, 1), "two": lambda x: torch.roll(x, (1, -2), (2, 3)),
               "tensor": lambda x: x.roll(3, 2), "keywords": lambda x: x.roll(shifts=(2,), dims=(-1,)),
               "around": lambda x: x.roll((9, -9), (2, 3))})
cases("expand", {"channels": lambda x: x[:, :1].expand(2, 5, 8, 8), "keep": lambda x: x[:, :1].expand(-1, 4, -1, -1),
                 "rank": lambda x: x[:1, :1, :1].expand(3, 1, 2, 4, 8), "as": lambda x: x[:, :1].expand_as(x) + 1,
                 "repeat": lambda x: x.repeat(1, 2, 1, 1), "tile": lambda x: torch.tile(x, (1, 1, 2, 1))})
cases("pad", {"constant": lambda x: F.pad(x, (1, 2, 0, 1)), "value": lambda x: F.pad(x, (1, 1), value=3.0),
              "mode": lambda x: F.pad(x, (1, 1, 2, 2), "constant", 0.5), "crop": lambda x: F.pad(x, (-1, -2)),
              "reflect": lambda x: F.pad(x, (1, 1, 2, 2), mode="reflect"), "edge": lambda x: F.pad(
                  x, (2, 1, 0, 3), mode="replicate"), "circular": lambda x: F.pad(x, (1, 2, 1, 2), mode="circular"),
              "channels": lambda x: F.pad(x, (0, 0, 0, 0, 1, 2))})
for _n, _pads in enumerate(((1, 1, 1, 1), (0, 1, 0, 1), (3, 2, 1, 0), (2, 2, 0, 0))):
    case(f"reflection_pad_{_n}", torch.nn.ReflectionPad2d(_pads))
cases("creation", {
    "zeros": lambda x: x + torch.zeros(8, device=x.device), "ones": lambda x: x * torch.ones(3, 1, 1, device=x.device),
    "zeros_like": lambda x: torch.zeros_like(x) + x, "ones_like": lambda x: x - torch.ones_like(x),
    "full": lambda x: x + torch.full((2, 1, 1, 8), 1.5, device=x.device), "arange": lambda x: x * torch.arange(
        8, device=x.device), "tensor": lambda x: x + torch.tensor([1.0, 2.0] * 4, device=x.device),
    "new_zeros": lambda x: torch.cat([x, x.new_zeros(2, 1, 8, 8)], 1), "empty_filled": lambda x: x + torch.empty(
        8, device=x.device).fill_(2.0), "eye": lambda x: x @ torch.eye(8, device=x.device),
    "constant_output": lambda x: (x * 2, torch.ones(3, device=x.device))})
cases("assign", {"slices": assign, "to_computed": assign_to_input, "dwt": dwt, "both": lambda x: iwt(dwt(x))})
case("iwt", iwt, (1, 8, 4, 6))
cases("unbind", {"first": lambda x: x.unbind(0), "torch": lambda x: torch.unbind(x, 1), "last":
                 lambda x: x.unbind(-1)[3], "unpacked": lambda x: (lambda a, b: a * b)(*x),
                 "keyword": lambda x: torch.unbind(x, dim=2)[1] + 1})
cases("flip", {"tuple": lambda x: torch.flip(x, (2, 3)), "numbers": lambda x: x.flip(1, -1), "keyword":
               lambda x: torch.flip(x, dims=[0])})
cases("masked_fill", {"number": lambda x: x.masked_fill(x > 0.5, -1e4), "torch": lambda x: torch.masked_fill(
    x, torch.arange(8, device=x.device) > 3, 2.0), "tensor": lambda x: x.masked_fill(x[:, :1] > 0.5, torch.zeros(
        (), device=x.device))})
cases("index", {
    "select": lambda x: torch.index_select(x, 1, torch.tensor([2, 0], device=x.device)), "select_tensor":
    lambda x: x.index_select(dim=-1, index=torch.tensor([7, 7, 1], device=x.device)),
    "embedding": lambda x: F.embedding((x * 9).long(), torch.linspace(-1, 1, 40, device=x.device).reshape(10, 4))})
