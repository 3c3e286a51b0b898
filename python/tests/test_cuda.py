"""Engines on a GPU beside torch: memory of torch, its streams, DLPack, its compiler and packages of CUDA."""

import io
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)
from onnx import TensorProto as T, helper as h  # noqa: E402

import tenon  # noqa: E402
import tenon.tensorrt  # noqa: E402
import tenon.torch  # noqa: E402

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402
import tensorrt.plugin as trtp  # noqa: E402
from torch2trt import TRTModule, torch2trt  # noqa: E402

nn = torch.nn


def network():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 64, 3, 2, 1),
                         nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)).cuda().eval()


@pytest.fixture(scope="module")
def model():
    """Bytes of x (n, 16) -> y = relu(x @ w), with w."""
    w = np.random.default_rng(2).normal(size=(16, 24)).astype(np.float32)
    graph = h.make_graph([h.make_node("MatMul", ["x", "w"], ["p"]), h.make_node("Relu", ["p"], ["y"])], "g",
                         [h.make_tensor_value_info("x", T.FLOAT, ("n", 16))],
                         [h.make_tensor_value_info("y", T.FLOAT, ("n", 24))], [onnx.numpy_helper.from_array(w, "w")])
    made = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString(), torch.from_numpy(w).cuda()


@pytest.fixture(scope="module")
def engine(model):
    return tenon.compile(model[0], device="cuda", shapes={"x": ((1, 16), (8, 16), (64, 16))})


def test_arrays_of_the_host(model, engine):
    x = np.random.default_rng(3).normal(size=(5, 16)).astype(np.float32)
    y, = engine.run([x])
    np.testing.assert_allclose(y, np.maximum(x @ model[1].cpu().numpy(), 0), rtol=1e-4, atol=1e-4)
    assert engine._core.device == "cuda"


def test_tensors_in_place_at_every_batch(model, engine):
    for rows in (1, 7, 64, 7):
        x = torch.randn(rows, 16, device="cuda")
        y, = engine.run_torch([x])
        assert y.is_cuda and y.shape == (rows, 24)
        torch.testing.assert_close(y, (x @ model[1]).relu(), rtol=1e-4, atol=1e-4)
    with pytest.raises(tenon.TenonError, match="65"):
        engine.run_torch([torch.zeros(65, 16, device="cuda")])


def test_a_tensor_of_the_host_is_refused(engine):
    with pytest.raises(TypeError, match="'x' is torch.float32 on cpu, accepted is torch.float32 on cuda"):
        engine.run_torch([torch.zeros(2, 16)])


def test_views_are_made_contiguous(model, engine):
    x = torch.randn(16, 9, device="cuda").T
    torch.testing.assert_close(engine.run_torch([x])[0], (x @ model[1]).relu(), rtol=1e-4, atol=1e-4)


def test_the_order_of_a_side_stream(model, engine):
    """What a stream was given before the engine, it has done when the engine reads; and the other way round."""
    stream, big = torch.cuda.Stream(), torch.randn(4096, 4096, device="cuda")
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        for i in range(4):
            slow = big @ big
            x = torch.full((8, 16), float(i), device="cuda") + 0 * slow[:8, :16].nan_to_num(0, 0, 0)
            y, = engine.run_torch([x])
            z = y * 2
            torch.testing.assert_close(z, 2 * (x @ model[1]).relu(), rtol=1e-4, atol=1e-3)


def test_two_streams_with_an_engine_each(model):
    engines = [tenon.compile(model[0], device="cuda", shapes={"x": (8, 16)}) for _ in range(2)]
    streams, given = [torch.cuda.Stream() for _ in range(2)], [torch.randn(8, 16, device="cuda") for _ in range(2)]
    torch.cuda.synchronize()
    found = [None, None]
    for _ in range(20):
        for i, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                found[i], = engines[i].run_torch([given[i]])
    torch.cuda.synchronize()
    for x, y in zip(given, found):
        torch.testing.assert_close(y, (x @ model[1]).relu(), rtol=1e-4, atol=1e-4)


def test_inside_a_graph_of_torch(model, engine):
    """Work of the engine can be recorded into a CUDA graph of torch's, and replayed on other values."""
    x = torch.randn(8, 16, device="cuda")
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        engine.run_torch([x])
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y, = engine.run_torch([x])
    x.copy_(torch.randn(8, 16, device="cuda"))
    graph.replay()
    torch.cuda.synchronize()
    torch.testing.assert_close(y, (x @ model[1]).relu(), rtol=1e-4, atol=1e-4)


def test_dlpack_goes_both_ways(model, engine):
    x = torch.randn(3, 16, device="cuda")
    y, = engine.run_torch([torch.from_dlpack(x)])
    torch.testing.assert_close(torch.from_dlpack(y), (x @ model[1]).relu(), rtol=1e-4, atol=1e-4)
    on_host, = engine.run([x.cpu()])
    np.testing.assert_allclose(on_host, y.cpu().numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision, bound", [("tf32", 2e-3), ("fp16", 5e-3), ("bf16", 3e-2)])
def test_precisions(model, precision, bound):
    engine = tenon.compile(model[0], device="cuda", precision=precision, shapes={"x": (64, 16)})
    x = torch.randn(64, 16, device="cuda")
    expected = (x.double() @ model[1].double()).relu()
    assert float((engine.run_torch([x])[0] - expected).norm() / expected.norm()) < bound


def test_a_plan_of_the_gpu_is_saved_and_loaded(model, engine, tmp_path):
    engine.save(tmp_path / "plan")
    again, x = tenon.load(tmp_path / "plan", device="cuda"), torch.randn(8, 16, device="cuda")
    assert torch.equal(again.run_torch([x])[0], engine.run_torch([x])[0])
    cpu = tenon.load(tmp_path / "plan", device="cpu")
    torch.testing.assert_close(cpu.run_torch([x.cpu()])[0], (x @ model[1]).relu().cpu(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision, bound", [("fp32", 1e-3), ("fp16", 2e-2), ("bf16", 5e-2)])
def test_torch_compile(precision, bound):
    module, x = network(), torch.randn(4, 3, 32, 32, device="cuda")
    torch._dynamo.reset()
    tenon.torch.report(clear=True)
    ours = torch.compile(module, backend="tenon", options={"precision": precision, "measure": False})
    with torch.no_grad():
        for _ in range(3):
            y, expected = ours(x), module(x)
            assert float((y - expected).norm() / expected.norm()) < bound
        with torch.cuda.stream(torch.cuda.Stream()):
            y = ours(x * 2)
            expected = module(x * 2)
            assert float((y - expected).norm() / expected.norm()) < bound
    assert tenon.torch.report().graphs[0].engines == 1, str(tenon.torch.report())


def test_torch_compile_with_dynamic_batches():
    module = network()
    torch._dynamo.reset()
    ours = torch.compile(module, backend="tenon", dynamic=True, options={"measure": False})
    with torch.no_grad():
        for rows in (2, 3, 8):
            x = torch.randn(rows, 3, 32, 32, device="cuda")
            torch.testing.assert_close(ours(x), module(x), rtol=1e-2, atol=1e-3)


def test_torch2trt_runs_in_the_current_stream():
    module, x = network(), torch.randn(2, 3, 32, 32, device="cuda")
    converted = torch2trt(module, [x], max_batch_size=4)
    assert isinstance(converted, TRTModule)
    for rows in (1, 4):
        with torch.cuda.stream(torch.cuda.Stream()), torch.no_grad():
            x = torch.randn(rows, 3, 32, 32, device="cuda")
            y, expected = converted(x), module(x)
            assert y.is_cuda and float((y - expected).norm() / expected.norm()) < 1e-3


def test_tensorrt_by_addresses_of_torch(model):
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model[0])
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("x", (1, 16), (4, 16), (8, 16))
    config.add_optimization_profile(profile)
    engine = trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))
    context = engine.create_execution_context()
    x, y = torch.randn(6, 16, device="cuda"), torch.empty(6, 24, device="cuda")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    assert context.set_input_shape("x", (6, 16))
    assert context.set_tensor_address("x", x.data_ptr()) and context.set_tensor_address("y", y.data_ptr())
    assert context.execute_async_v3(stream.cuda_stream)
    stream.synchronize()
    torch.testing.assert_close(y, (x @ model[1]).relu(), rtol=1e-4, atol=1e-4)


ADD_VALUE = """
.version 7.0
.target sm_70
.address_size 64

.visible .entry add_value(.param .u64 x, .param .s32 count, .param .s32 value, .param .u64 y)
{
  .reg .pred %beyond;
  .reg .b32 %i, %block, %threads, %n, %v;
  .reg .f32 %f, %g;
  .reg .b64 %x, %y, %offset;
  mov.u32 %block, %ctaid.x;
  mov.u32 %threads, %ntid.x;
  mov.u32 %i, %tid.x;
  mad.lo.s32 %i, %block, %threads, %i;
  ld.param.s32 %n, [count];
  setp.ge.s32 %beyond, %i, %n;
  @%beyond ret;
  ld.param.s32 %v, [value];
  cvt.rn.f32.s32 %g, %v;
  ld.param.u64 %x, [x];
  ld.param.u64 %y, [y];
  cvta.to.global.u64 %x, %x;
  cvta.to.global.u64 %y, %y;
  mul.wide.s32 %offset, %i, 4;
  add.s64 %x, %x, %offset;
  add.s64 %y, %y, %offset;
  ld.global.f32 %f, [%x];
  add.f32 %f, %f, %g;
  st.global.f32 [%y], %f;
  ret;
}
"""
asked = []


@trtp.register("cuda_tests::add_value")
def add_value(x: trtp.TensorDesc, value: int) -> trtp.TensorDesc:
    return x.like()


@trtp.aot_impl("cuda_tests::add_value")
def add_value_ahead(x, value, outputs, tactic):
    asked.append(tuple(x.shape))
    launch = trtp.KernelLaunchParams(block_x=32)
    launch.grid_x = trtp.cdiv(x.shape_expr.numel(), 32)
    extra = trtp.SymIntExprs(2)
    extra[0], extra[1] = x.shape_expr.numel(), value
    return "add_value" if value < 100 else b"absent", ADD_VALUE, launch, extra


@trtp.register("cuda_tests::either")
def either(x: trtp.TensorDesc) -> trtp.TensorDesc:
    return x.like()


@trtp.impl("cuda_tests::either")
def either_impl(x, outputs, stream):
    with torch.cuda.stream(torch.cuda.ExternalStream(stream)):
        torch.add(torch.as_tensor(x, device="cuda"), 1, out=torch.as_tensor(outputs[0], device="cuda"))


@trtp.aot_impl("cuda_tests::either")
def either_ahead(x, outputs):
    return add_value_ahead(x, 2, outputs, 0)


class Messages(trt.ILogger):
    def __init__(self):
        super().__init__()
        self.errors = []

    def log(self, severity, msg):
        if severity <= trt.Logger.ERROR:
            self.errors.append(msg)


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_addresses_that_the_engine_cannot_reach(model, monkeypatch, device):
    """Refused by name where they are given, through every call that takes them; then the engine runs as before."""

    class Given(trt.IOutputAllocator):
        def __init__(self):
            trt.IOutputAllocator.__init__(self)

        def reallocate_output_async(self, name, memory, size, alignment, stream):
            return self.memory

        def notify_shape(self, name, shape):
            pass

    if device == "cpu":
        monkeypatch.setenv("TENON_DEVICE", "cpu")
    logger = Messages()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model[0])
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("x", (6, 16), (6, 16), (6, 16))
    config.add_optimization_profile(profile)
    engine = trt.Runtime(logger).deserialize_cuda_engine(builder.build_serialized_network(network, config))
    context = engine.create_execution_context()
    x, y = torch.randn(6, 16, device=device), torch.empty(6, 24, device=device)
    other = "cpu" if device == "cuda" else "cuda"
    far_x, far_y = x.to(other), y.to(other)
    word = "host memory" if device == "cuda" else "device memory"

    def refused(name, call, *arguments):
        logger.errors.clear()
        assert call(*arguments) is not True
        assert len(logger.errors) == 1, logger.errors
        assert f"'{name}'" in logger.errors[0] and word in logger.errors[0]

    def runs():
        logger.errors.clear()
        y.zero_()
        assert context.execute_async_v3(torch.cuda.current_stream().cuda_stream) and not logger.errors
        torch.cuda.synchronize()
        torch.testing.assert_close(y, (x @ model[1].to(device)).relu(), rtol=1e-4, atol=1e-4)

    assert context.set_tensor_address("x", x.data_ptr()) and context.set_tensor_address("y", y.data_ptr())
    runs()
    refused("x", context.set_tensor_address, "x", far_x.data_ptr())
    refused("y", context.set_tensor_address, "y", far_y.data_ptr())
    runs()
    refused("x", context.execute_v2, [far_x.data_ptr(), y.data_ptr()])
    refused("y", context.execute_v2, [x.data_ptr(), far_y.data_ptr()])
    assert context.execute_v2([x.data_ptr(), y.data_ptr()])
    given = Given()
    assert context.set_output_allocator("y", given)
    given.memory = far_y.data_ptr()
    refused("y", context.execute_async_v3, torch.cuda.current_stream().cuda_stream)
    given.memory = y.data_ptr()
    runs()


def run_plugin(make, rows, logger=None):
    """Results for torch's random inputs (rows, 7), of an engine whose plan was read."""
    builder = trt.Builder(logger or trt.Logger(trt.Logger.ERROR))
    network = builder.create_network()
    twice = network.add_unary(network.add_input("x", trt.float32, (-1, 7)), trt.UnaryOperation.NEG)
    layer = network.add_plugin(make(twice.get_output(0)))
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("x", (1, 7), (20, 7), (40, 7))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    engine = trt.Runtime(logger or trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(plan)
    context, found = engine.create_execution_context(), []
    for n in rows:
        x, y = torch.randn(n, 7, device="cuda"), torch.empty(n, 7, device="cuda")
        torch.cuda.synchronize()
        context.set_input_shape("x", (n, 7))
        context.set_tensor_address("x", x.data_ptr())
        context.set_tensor_address("y", y.data_ptr())
        assert context.execute_async_v3(torch.cuda.current_stream().cuda_stream)
        torch.cuda.synchronize()
        found.append((x, y))
    return found


def test_kernels_compiled_ahead_of_time():
    asked.clear()
    for x, y in run_plugin(lambda t: trtp.op.cuda_tests.add_value(t, value=3), (1, 33, 40, 33)):
        torch.testing.assert_close(y, 3 - x)
    assert {(1, 7), (33, 7), (40, 7)} <= set(asked)


@pytest.mark.parametrize("aot, value", [(None, 1), (False, 1), (True, 2)])
def test_a_plugin_with_both_takes_the_kernel_where_it_is_asked_to(aot, value):
    (x, y), = run_plugin(lambda t: trtp.op.cuda_tests.either(t, aot=aot), (5,))
    torch.testing.assert_close(y, value - x)


def test_a_kernel_that_is_not_in_its_module_gives_a_reason():
    logger = Messages()
    with pytest.raises(AssertionError):
        run_plugin(lambda t: trtp.op.cuda_tests.add_value(t, value=100), (5,), logger)
    assert any("cuModuleGetFunction" in e and "'absent'" in e for e in logger.errors), logger.errors


def runner(way, module, x):
    """A callable of a tensor that runs the module in an engine."""
    if way == "module":
        return torch2trt(module, [x])
    if way == "compiled":
        compiled = torch.compile(module, backend="tenon", options={"measure": False})
        compiled(x)
        assert tenon.torch.report().graphs[-1].engines == 1
        return compiled
    data = io.BytesIO()
    torch.onnx.export(module.cpu(), (x.cpu(),), data, dynamo=False)
    module.cuda()
    engine = tenon.compile(data.getvalue(), device="cuda")
    return lambda x: engine.run_torch([x])[0]


@pytest.mark.parametrize("way", ["module", "engine", "compiled"])
@torch.no_grad()
def test_runs_on_several_streams_do_not_mix(way):
    torch.manual_seed(4)
    module = nn.Sequential(*(nn.Conv2d(3 if i == 0 else 32, 32, 3, padding=1) for i in range(6))).cuda().eval()
    given = [torch.full((8, 3, 96, 96), k + 1.0, device="cuda") for k in range(4)]
    expected = [module(x) for x in given]
    run = runner(way, module, given[0])
    torch.cuda.synchronize()
    wrong = []

    def check(k, result):
        if not (result - expected[k]).norm() <= 2e-2 * expected[k].norm():
            wrong.append(k)

    streams = [torch.cuda.Stream() for _ in given]
    for _ in range(30):
        results = []
        for k, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                results.append(run(given[k]))
        torch.cuda.synchronize()
        for k, result in enumerate(results):
            check(k, result)

    @torch.no_grad()
    def work(k):
        with torch.cuda.stream(streams[k]):
            for _ in range(30):
                result = run(given[k])
                streams[k].synchronize()
                check(k, result)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    torch.cuda.synchronize()
    assert not wrong


def test_a_module_on_the_gpu_refuses_the_hosts_tensors():
    x = torch.rand(2, 3, 8, 8, device="cuda")
    result = torch2trt(network(), [x])
    expected = result(x)
    with pytest.raises(TypeError, match="'input_0' on cpu is refused: .*host memory"):
        result(x.cpu())
    torch.testing.assert_close(result(x), expected)


def test_doubles_show_as_floats_on_a_gpu():
    graph = h.make_graph([h.make_node("Add", ["x", "x"], ["y"])], "g", [h.make_tensor_value_info("x", T.DOUBLE, [5])],
                         [h.make_tensor_value_info("y", T.DOUBLE, [5])])
    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    network = builder.create_network(1)
    made = h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8).SerializeToString()
    assert trt.OnnxParser(network, trt.Logger(trt.Logger.ERROR)).parse(made)
    engine = builder.build_engine(network, builder.create_builder_config())
    x = torch.rand(5, device="cuda")
    result = TRTModule(engine)(x)
    assert result.dtype == torch.float32
    torch.testing.assert_close(result, 2 * x)
