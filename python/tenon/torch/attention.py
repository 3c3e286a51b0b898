"""Attention as one function that tracing leaves whole. PyTorch decomposes its own where it finds no kernel for the
device, into a softmax with a guard that engines would run node by node."""

from typing import Optional

import torch
from torch import fx
from torch.nn.functional import scaled_dot_product_attention


@torch.library.custom_op("tenon::attention", mutates_args=())
def attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: Optional[torch.Tensor],
              is_causal: bool, scale: Optional[float]) -> torch.Tensor:
    """scaled_dot_product_attention without dropout, and with contiguous results as the trace assumes."""
    return scaled_dot_product_attention(query, key, value, mask, 0.0, is_causal, scale=scale).contiguous()


@attention.register_fake
def _(query, key, value, mask, is_causal, scale):
    return query.new_empty((*query.shape[:-1], value.shape[-1]))


def _arguments(node):
    """The arguments of `attention` for a call of PyTorch's function, or None if that does something else."""
    names = "query", "key", "value", "attn_mask", "dropout_p", "is_causal"
    given = {**dict(zip(names, node.args)), **node.kwargs}
    q, k, v = (given[n].meta.get("example_value") if isinstance(given.get(n), fx.Node) else None for n in names[:3])
    if not all(isinstance(t, torch.Tensor) and t.dim() >= 3 for t in (q, k, v)) or given.get("enable_gqa"):
        return None
    dropout, causal, scale = given.get("dropout_p", 0.0), given.get("is_causal", False), given.get("scale")
    if dropout != 0 or not isinstance(causal, bool) or not (scale is None or isinstance(scale, float)):
        return None
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        return None
    return tuple(given[n] for n in names[:3]) + (given.get("attn_mask"), causal, scale)


def keep_attention(module):
    """A copy of Dynamo's graph with `attention` in the place of PyTorch's function; the module itself without any."""
    wanted = lambda n: n.op == "call_function" and n.target is scaled_dot_product_attention and _arguments(n)
    if not any(map(wanted, module.graph.nodes)):
        return module
    graph = fx.Graph()
    env = {}
    for node in module.graph.nodes:
        env[node] = graph.node_copy(node, env.get)
        if arguments := wanted(node):
            env[node].target, env[node].kwargs = torch.ops.tenon.attention.default, {}
            env[node].args = fx.node.map_arg(arguments, env.get)
    made = fx.GraphModule(module, graph)
    made.meta = dict(module.meta)
    return made
