"""Haar wavelets, the ways networks write them: free functions or modules, slices of stride 2, assignment into zeros,
and grouped transposed convolutions in place of it. Each is converted by torch2trt and compared."""

import torch
import torch.nn as nn
from torch2trt import torch2trt


def split(x):
    rows_even, rows_odd = x[:, :, 0::2, :] / 2, x[:, :, 1::2, :] / 2
    a, b = rows_even[:, :, :, 0::2], rows_odd[:, :, :, 0::2]
    c, d = rows_even[:, :, :, 1::2], rows_odd[:, :, :, 1::2]
    return torch.cat((a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d), 1)


def join(x):
    batch, channels, height, width = x.size()
    quarter = int(channels / (2 ** 2))
    a, b = x[:, 0:quarter, :, :] / 2, x[:, quarter:quarter * 2, :, :] / 2
    c, d = x[:, quarter * 2:quarter * 3, :, :] / 2, x[:, quarter * 3:quarter * 4, :, :] / 2
    h = torch.zeros([batch, quarter, 2 * height, 2 * width]).float().cuda()
    h[:, :, 0::2, 0::2] = a - b - c + d
    h[:, :, 1::2, 0::2] = a - b + c - d
    h[:, :, 0::2, 1::2] = a + b - c - d
    h[:, :, 1::2, 1::2] = a + b + c + d
    return h


class FreeSplit(nn.Module):
    def __init__(self):
        super(FreeSplit, self).__init__()
        self.requires_grad = False

    def forward(self, x):
        return split(x)


class Split(nn.Module):
    def forward(self, x):
        rows_even, rows_odd = x[:, :, 0::2, :] / 2, x[:, :, 1::2, :] / 2
        a, b = rows_even[:, :, :, 0::2], rows_odd[:, :, :, 0::2]
        c, d = rows_even[:, :, :, 1::2], rows_odd[:, :, :, 1::2]
        return torch.cat((a + b + c + d, -a - b + c + d, -a + b - c + d, a - b - c + d), 1)


class FreeJoin(nn.Module):
    def forward(self, x):
        return join(x)


class Spread(nn.Module):
    """Every element to one corner of a 2 x 2 square; the others are zero."""

    def __init__(self, channels, pad):
        super(Spread, self).__init__()
        self.conv = nn.ConvTranspose2d(channels, channels, 1, stride=2, padding=0, groups=channels, bias=False)
        nn.init.constant_(self.conv.weight, 1)
        self.pad = pad

    def forward(self, x):
        return nn.functional.pad(self.conv(x), self.pad)


class Join(nn.Module):
    def __init__(self, channels):
        super(Join, self).__init__()
        self.corners = nn.ModuleList(
            Spread(int(channels / 4), pad) for pad in ((0, 1, 0, 1), (0, 1, 1, 0), (1, 0, 0, 1), (1, 0, 1, 0)))

    def forward(self, x):
        quarter = int(x.size()[1] / 4)
        a, b = x[:, 0:quarter, :, :] / 2, x[:, quarter:quarter * 2, :, :] / 2
        c, d = x[:, quarter * 2:quarter * 3, :, :] / 2, x[:, quarter * 3:quarter * 4, :, :] / 2
        parts = (a - b - c + d, a - b + c - d, a + b - c - d, a + b + c + d)
        t = [corner(part) for corner, part in zip(self.corners, parts)]
        return t[0] + t[1] + t[2] + t[3]


torch.manual_seed(2)
x = torch.randn((1, 3, 16, 24)).cuda()
converted = {}
for name, module, given in (("free_split", FreeSplit(), x), ("split", Split(), x), ("free_join", FreeJoin(), split(x)),
                            ("join", Join(12), split(x))):
    module = module.eval().cuda()
    converted[name] = torch2trt(module, [given])
    print(name, float(torch.max(torch.abs(module(given) - converted[name](given)))))
for back in ("free_join", "join"):
    print("round_trip_" + back, float(torch.max(torch.abs(converted[back](converted["split"](x)) - x))))
