"""Splits an FX graph of ATen's functions into parts for engines and nodes that stay in PyTorch."""

import collections
import heapq
from operator import getitem as _item

import torch
from torch import fx

from .aten import TABLE, Unsupported, Value, Writer, lower_node
from .aten.writer import function_name

# They compute nothing, so alone they make no engine.
_LIGHT = {"getitem", "view.default", "_unsafe_view.default", "permute.default", "transpose.int", "t.default",
          "unsqueeze.default", "squeeze.default", "squeeze.dim", "squeeze.dims", "expand.default", "slice.Tensor",
          "select.int", "alias.default", "detach.default", "clone.default", "full.default", "zeros.default",
          "ones.default", "arange.start_step", "split.Tensor", "split_with_sizes.default", "unbind.int",
          "lift_fresh_copy.default", "empty.memory_format", "scalar_tensor.default", "_to_copy.default"}


def is_size(node):
    """Whether a node is a number computed from sizes."""
    return isinstance(node.meta.get("val"), (torch.SymInt, torch.SymFloat, torch.SymBool, int, float, bool))


def _fakes(node):
    val = node.meta.get("val")
    return val if isinstance(val, (list, tuple)) else [val]


def _as_input(writer, node):
    """A node's tensors as inputs of the model that is being written."""
    val = node.meta["val"]
    if isinstance(val, (list, tuple)):
        return [writer.input(v) if isinstance(v, torch.Tensor) else None for v in val]
    return writer.input(val)


def refusals(graph, excluded=()):
    """{node: why it stays in PyTorch}, found by writing each node once."""
    writer, values, found = Writer(), {}, {}
    for node in graph.nodes:
        if node.op == "output" or is_size(node):
            continue
        try:
            if node.op == "call_function":
                name = function_name(node.target)
                if name is not None and (name in excluded or name.split(".")[0] in excluded):
                    raise Unsupported("excluded")
                devices = {v.device.type for v in _fakes(node) if isinstance(v, torch.Tensor)}
                if name not in TABLE or not devices:
                    raise Unsupported("no lowering")
                values[node] = lower_node(writer, node, values)
                for v in _fakes(node):
                    if isinstance(v, torch.Tensor):
                        _check_type(v)
                continue
            if node.op not in ("placeholder", "get_attr"):
                raise Unsupported(node.op)
        except Unsupported as error:
            found[node] = str(error)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            found[node] = f"{type(error).__name__}: {error}".split("\n")[0]
        try:
            if isinstance(node.meta.get("val"), (torch.Tensor, list, tuple)):
                values[node] = _as_input(writer, node)
        except Unsupported:
            pass  # what reads it is refused for the same reason
    _refuse_whole_tuples(graph, found)
    _refuse_strided_sources(graph, found)
    return found


def _check_type(tensor):
    from .aten.writer import element_type

    element_type(tensor.dtype)


def _refuse_whole_tuples(graph, found):
    """A function of several results goes where all the nodes that take them go."""
    for node in graph.nodes:
        if node.op != "call_function" or not isinstance(node.meta.get("val"), (list, tuple)):
            continue
        takers = [u for u in node.users]
        if node in found or any(t in found or function_name(t.target) != "getitem" for t in takers):
            found.setdefault(node, "one of its results is not supported")
            for t in takers:
                if function_name(t.target) == "getitem":
                    found.setdefault(t, found[node])


def _refuse_strided_sources(graph, found):
    """as_strided in PyTorch reads memory as its source lies there."""
    for node in list(found):
        if node.op == "call_function" and "as_strided" in str(node.target):
            for source in node.all_input_nodes:
                if source.op == "call_function":
                    found.setdefault(source, "as_strided reads its memory")


def levels(graph, found):
    """{node: number}: the supported nodes of a number form one part, and no path leaves a part and comes back."""
    level = {}
    for node in graph.nodes:
        here = 0
        supported = node.op == "call_function" and node not in found and not is_size(node)
        for source in node.all_input_nodes:
            outside = source.op == "call_function" and source in found
            here = max(here, level[source] + (1 if outside and (supported or is_size(node)) else 0))
        level[node] = here
    return level


class Part:
    """Nodes for one engine: `inputs` (nodes outside), `sizes` (numbers that only PyTorch needs), `extra` (the graph's
    inputs that only tell sizes), `outputs`."""

    def __init__(self, nodes):
        self.nodes, self.members = nodes, set(nodes)
        self.inner_sizes, self.extra = {}, []
        needed = [s for n in nodes for s in n.all_input_nodes if s not in self.members]
        self.inputs = list(dict.fromkeys(s for s in needed if not is_size(s)))
        self.sizes = list(dict.fromkeys(s for s in needed if is_size(s) and not self._inside(s)))
        self.outputs = []

    def find_outputs(self, live_sizes):
        """live_sizes: the numbers that are computed outside of parts."""
        read = lambda n: any(u not in self.members and (not is_size(u) or u in live_sizes) for u in n.users)
        self.outputs = [n for n in self.nodes if not isinstance(n.meta["val"], (list, tuple)) and read(n)]

    def _inside(self, size):
        """Whether a number is computed from the part's own tensors."""
        if size not in self.inner_sizes:
            self.inner_sizes[size] = size.op == "call_function" and any(
                s in self.members or is_size(s) and self._inside(s) for s in size.all_input_nodes)
        return self.inner_sizes[size]

    @property
    def weight(self):
        return sum(function_name(n.target) not in _LIGHT for n in self.nodes)

    def module(self, owner):
        """The part as a module of its own, to run in PyTorch: tensors, then sizes."""
        graph, env = fx.Graph(), {}
        for node in (*self.inputs, *self.sizes):
            env[node] = graph.placeholder(node.name)

        def place(node):
            if node not in env:
                for source in node.all_input_nodes:
                    place(source)
                env[node] = graph.node_copy(node, lambda n: env[n])

        for node in self.nodes:
            for source in node.all_input_nodes:
                if is_size(source):
                    place(source)
            env[node] = graph.node_copy(node, lambda n: env[n])
        graph.output(tuple(env[n] for n in self.outputs))
        return fx.GraphModule(owner, graph)

    def write(self, constants, extra_symbols):
        """The part as an ONNX model, and the nodes that are its inputs.

        constants: {node: tensor} among the inputs. extra_symbols: {symbol: (node, axis)} of the graph's inputs.
        """
        writer, values, used = Writer(), {}, []

        def add(node):
            used.append(node)
            return writer.input(node.meta["val"])

        def find_symbol(symbol):
            if symbol not in extra_symbols:
                return None
            node, axis = extra_symbols[symbol]
            values[node] = values.get(node) or add(node)
            return values[node].name, axis

        writer.find_symbol = find_symbol
        for node in self.inputs:
            if node in constants:
                values[node] = Value(writer.tensor(constants[node]), node.meta["val"])
            else:
                values[node] = add(node)
        for node in self.nodes:
            values[node] = lower_node(writer, node, values)
        for node in self.outputs:
            writer.output(values[node])
        return writer.model(), used


def symbols_of(graph):
    found = {}
    for node in graph.nodes:
        val = node.meta.get("val")
        if node.op == "placeholder" and isinstance(val, torch.Tensor):
            for axis, d in enumerate(val.shape):
                if isinstance(d, torch.SymInt) and d.node.expr.is_Symbol:
                    found.setdefault(d.node.expr, (node, axis))
    return found


def parts_of(graph, found, least):
    """The parts that are worth an engine: those with at least `least` nodes that compute."""
    level, groups = levels(graph, found), collections.defaultdict(list)
    for node in graph.nodes:
        if node.op == "call_function" and node not in found and not is_size(node):
            groups[level[node]].append(node)
    parts = [Part(nodes) for _, nodes in sorted(groups.items())]
    parts = [p for p in parts if p.weight >= least]
    live = live_sizes(graph, parts)
    for part in parts:
        part.find_outputs(live)
    return [p for p in parts if p.outputs]


def live_sizes(graph, parts):
    """The numbers that the outer module computes."""
    members = {n for p in parts for n in p.nodes}
    live = {s for p in parts for s in p.sizes}
    for node in reversed(graph.nodes):
        if is_size(node) and any(u not in members and (not is_size(u) or u in live) for u in node.users):
            live.add(node)
    return live


def assemble(module, parts, make):
    """A module that runs make(part) for each part, and the other nodes one by one."""
    graph, unit_of, order = fx.Graph(), {}, {n: i for i, n in enumerate(module.graph.nodes)}
    for part in parts:
        unit_of.update((n, part) for n in part.nodes)
    live = live_sizes(module.graph, parts)
    wanted = [n for n in module.graph.nodes if n.op != "call_function" or not is_size(n) or n in live]
    units = list(dict.fromkeys(unit_of.get(n, n) for n in wanted))
    sources = {u: ([*u.inputs, *u.sizes, *u.extra] if isinstance(u, Part) else u.all_input_nodes) for u in units}
    waiting, readers = {}, collections.defaultdict(list)
    for u in units:
        before = {unit_of.get(s, s) for s in sources[u]} - {u}
        waiting[u] = len(before)
        for b in before:
            readers[b].append(u)
    rank = {u: order[u.nodes[0]] if isinstance(u, Part) else order[u] for u in units}
    ready = [(rank[u], i) for i, u in enumerate(units) if not waiting[u]]
    index, env, attributes = {u: i for i, u in enumerate(units)}, {}, {}
    heapq.heapify(ready)
    while ready:
        unit = units[heapq.heappop(ready)[1]]
        if isinstance(unit, Part):
            name = f"part_{len(attributes)}"
            attributes[name] = make(unit)
            call = graph.call_module(name, tuple(env[n] for n in (*unit.inputs, *unit.sizes, *unit.extra)))
            for i, node in enumerate(unit.outputs):
                env[node] = graph.call_function(_item, (call, i))
        else:
            env[unit] = graph.node_copy(unit, lambda n: env[n])
        for r in readers[unit]:
            waiting[r] -= 1
            if not waiting[r]:
                heapq.heappush(ready, (rank[r], index[r]))
    for node in graph.nodes:
        if node.op == "get_attr":
            value = module
            for part in node.target.split("."):
                value = getattr(value, part)
            attributes[node.target] = value
    return fx.GraphModule({**attributes}, graph)

