"""The backend of torch.compile, and the same for exported programs."""

import contextlib
import warnings

import torch
from torch.utils import _pytree as pytree

from .aten import TABLE
from .aten.writer import function_name
from .attention import keep_attention
from .options import Options
from .runner import Runner, note_for, tensors
from .segment import compare, relative_error


def decompositions():
    """Of the functions that have no lowering of their own."""
    table = torch.export.default_decompositions()
    return {op: function for op, function in table.items() if function_name(op) not in TABLE}


def _is_weight(tensor):
    return isinstance(tensor, torch.nn.Parameter) or getattr(tensor, "_dynamo_static_input_type", None) is not None


class _Whole:
    """A graph of Dynamo's: compiled, unless PyTorch turns out to be as fast."""

    def __init__(self, module, compiled, options, note):
        self._module, self._compiled, self._options, self._note = module, compiled, options, note
        self._run = self._first

    def __call__(self, *values):
        return self._run(*values)

    def _first(self, *values):
        given = tensors(values)
        before = [0 if t.is_inference() else t._version for t in given]
        with _random_state():
            found = self._compiled(*values)
        note, self._run = self._note, self._compiled
        if not note.engines:
            note.reason, self._run = note.reason or "no part runs in an engine", self._module.forward
            return found
        if before != [0 if t.is_inference() else t._version for t in given] or not self._options.measure:
            return found  # it writes to its inputs, so it can't be run twice
        expected = self._module(*values)
        if relative_error(tensors(expected), tensors(found)) > self._options.accepted(given):
            note.reason, self._run = "results differ", self._module.forward
            return expected
        times = compare(lambda: self._module(*values), lambda: self._compiled(*values))
        note.eager_ms, note.tenon_ms = (1e3 * t for t in times)
        if note.tenon_ms > 1.02 * note.eager_ms:
            note.reason, self._run = "slower than PyTorch", self._module.forward
        return found


@contextlib.contextmanager
def _random_state():
    """What is drawn inside is drawn again afterwards."""
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


def backend(module, example_inputs, *, options=None, **_):
    """`torch.compile(model, backend="tenon", options={...})`; see Options."""
    from torch._dynamo.backends.common import aot_autograd

    options, note = Options.of(options), note_for("graph")
    given = [t for t in example_inputs if isinstance(t, torch.Tensor)]
    if torch.is_grad_enabled() and any(t.requires_grad for t in given) and options.gradients:
        note.reason = "gradients are wanted; use torch.no_grad() or the option gradients=False"
        warnings.warn(f"tenon: {note.name} runs in PyTorch: {note.reason}", stacklevel=2)
        return module.forward
    weights = {id(t): t for t in given if _is_weight(t)}

    def compile_graph(graph, inputs):
        runner = None

        def run(values):
            nonlocal runner
            if runner is None:
                fixed = [i for i, v in enumerate(values) if id(v) in weights]
                runner = Runner(graph, options, note, fixed)
            made = runner(*values)
            values.clear()
            return made

        run._boxed_call = True
        return run

    left = any(name.startswith("scaled_dot_product_attention") for name in options.exclude)
    traced = module if left else keep_attention(module)
    with torch.no_grad():
        compiled = aot_autograd(fw_compiler=compile_graph, inference_compiler=compile_graph,
                                decompositions=decompositions())(traced, example_inputs)

    def detached(*values):
        with torch.no_grad():
            return compiled(*values)

    return _Whole(module, compiled if options.gradients else detached, options, note)


def _declared(node):
    """An input's name, data type and dimensions, None for those that may change; (name, None, None) of no tensor."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        return node.name, None, None
    return node.name, value.dtype, tuple(None if isinstance(s, torch.SymInt) else s for s in value.shape)


def _check(declared, given):
    """Raises TypeError or ValueError for a value that the exported input does not take."""
    name, dtype, dims = declared
    if dtype is None:
        return
    if not isinstance(given, torch.Tensor) or given.dtype != dtype:
        found = given.dtype if isinstance(given, torch.Tensor) else type(given).__name__
        raise TypeError(f"input '{name}' is {found}, the program was exported for {dtype}")
    if len(given.shape) != len(dims) or any(d is not None and s != d for s, d in zip(given.shape, dims)):
        wanted = "(" + ", ".join("any" if d is None else str(d) for d in dims) + ")"
        raise ValueError(f"input '{name}' has shape {tuple(given.shape)}, the program was exported for {wanted}")


class CompiledProgram(torch.nn.Module):
    """An exported program over engines. `note` says what became of it."""

    def __init__(self, program, options):
        super().__init__()
        program = program.run_decompositions(decompositions())
        self._spec_in, self._spec_out = program.call_spec.in_spec, program.call_spec.out_spec
        signature, self.note = program.graph_signature, note_for("program")
        held = {**program.state_dict, **program.constants}
        self._held, self._user = [], []
        for i, spec in enumerate(signature.input_specs):
            if spec.kind.name == "USER_INPUT":
                self._user.append(i)
            else:
                self._held.append((i, held[spec.target]))
        self._writes = []
        for i, spec in enumerate(signature.output_specs):
            if spec.kind.name in ("BUFFER_MUTATION", "USER_INPUT_MUTATION"):
                names = [s.target if spec.kind.name == "BUFFER_MUTATION" else getattr(s.arg, "name", None)
                         for s in signature.input_specs]
                self._writes.append((i, names.index(spec.target)))
        mutated = {target for _, target in self._writes}
        fixed = [i for i, v in self._held if isinstance(v, torch.Tensor) and i not in mutated]
        self._count = len(signature.input_specs)
        places = [n for n in program.graph_module.graph.nodes if n.op == "placeholder"]
        self._declared = [_declared(places[i]) for i in self._user]
        self._results = [i for i, s in enumerate(signature.output_specs) if s.kind.name == "USER_OUTPUT"]
        self._runner = Runner(program.graph_module, options, self.note, fixed)

    def forward(self, *args, **kwargs):
        order = self._spec_in.children()[1].context if kwargs else []
        flat, spec = pytree.tree_flatten((args, {name: kwargs[name] for name in order} if kwargs else {}))
        if len(flat) != len(self._user):
            raise TypeError(f"the program takes {self._spec_in}, given is {spec}")
        for declared, value in zip(self._declared, flat):
            _check(declared, value)
        values = [None] * self._count
        for i, value in self._held:
            values[i] = value
        for i, value in zip(self._user, flat):
            values[i] = value
        with torch.no_grad():
            made = self._runner(*values)
            for output, target in self._writes:
                values[target].copy_(made[output])
        return pytree.tree_unflatten([made[i] for i in self._results], self._spec_out)


def compile_exported(program, **options):
    """A torch.export.ExportedProgram as a module that runs in engines what they can; options as in Options."""
    return CompiledProgram(program, Options.of(options))
