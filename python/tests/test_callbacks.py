"""Interfaces written in Python that raise: the call that called back fails, and the log has the reason."""

import sys
import time

import numpy as np
import pytest

import tenon.tensorrt

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402
from test_plugins import Recorder  # noqa: E402


@pytest.fixture
def logger():
    return Recorder()


def network_of(logger, nonzero=False):
    builder = trt.Builder(logger)
    network = builder.create_network(1)
    x = network.add_input("x", trt.float32, (2, 3))
    if nonzero:
        y = network.add_non_zero(x).get_output(0)
    else:
        y = network.add_activation(x, trt.ActivationType.RELU).get_output(0)
    y.name = "y"
    network.mark_output(y)
    return builder, network, builder.create_builder_config()


def context_of(logger, **options):
    builder, network, config = network_of(logger, **options)
    context = builder.build_engine(network, config).create_execution_context()
    given = np.ones((2, 3), np.float32)
    context.set_tensor_address("x", given.ctypes.data)
    return context, given


def raising(base, *methods):
    """An object of a class whose methods raise."""
    def fail(self, *arguments, **keywords):
        raise ZeroDivisionError("no way on")

    made = type("Raising", (base,), dict.fromkeys(methods, fail))()
    return made


def reason(logger):
    return "ZeroDivisionError: no way on" in "\n".join(logger.errors)


@pytest.mark.parametrize("method", ["phase_start", "step_complete", "phase_finish"])
def test_progress_monitor(logger, method):
    class Monitor(trt.IProgressMonitor):
        def __init__(self):
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name, parent_phase, num_steps):
            pass

        def step_complete(self, phase_name, step):
            return True

        def phase_finish(self, phase_name):
            pass

    builder, network, config = network_of(logger)
    config.progress_monitor = raising(Monitor, method)
    assert builder.build_serialized_network(network, config) is None and reason(logger)


@pytest.mark.parametrize("method", ["reallocate_output", "notify_shape"])
def test_output_allocator(logger, method):
    class Allocator(trt.IOutputAllocator):
        def __init__(self):
            trt.IOutputAllocator.__init__(self)

        def reallocate_output(self, tensor_name, memory, size, alignment):
            self.memory = np.empty(size, np.uint8)
            return self.memory.ctypes.data

        def notify_shape(self, tensor_name, shape):
            pass

    context, given = context_of(logger, nonzero=True)
    context.set_output_allocator("y", raising(Allocator, method))
    assert not context.execute_async_v3(0) and reason(logger)


def test_stream_reader_and_writer(logger):
    builder, network, config = network_of(logger)
    writer = raising(trt.IStreamWriter, "write")
    assert not builder.build_serialized_network_to_stream(network, config, writer) and reason(logger)
    logger.errors.clear()
    assert trt.Runtime(logger).deserialize_cuda_engine(raising(trt.IStreamReader, "read")) is None and reason(logger)


@pytest.mark.parametrize("method", ["get_batch", "get_batch_size", "read_calibration_cache"])
def test_calibrator(logger, method):
    class Calibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)

        def get_batch_size(self):
            return 2

        def get_batch(self, names):
            return None

        def read_calibration_cache(self):
            return None

        def write_calibration_cache(self, cache):
            pass

    builder, network, config = network_of(logger)
    config.set_flag(trt.BuilderFlag.INT8)
    config.int8_calibrator = raising(Calibrator, method)
    assert builder.build_serialized_network(network, config) is None and reason(logger)


@pytest.mark.parametrize("base", ["IInt8Calibrator", "IInt8EntropyCalibrator2"])
def test_a_calibrator_that_asks_for_legacy_calibration(logger, base):
    """One that is of no kind has the methods it needs; of another kind it is refused."""
    class Calibrator(getattr(trt, base)):
        def __init__(self):
            super().__init__()
            self.batches = [np.random.default_rng(i).normal(size=(2, 3)).astype(np.float32) for i in range(3)]

        def get_batch_size(self):
            return 2

        def get_batch(self, names):
            self.batch = self.batches.pop() if self.batches else None
            return None if self.batch is None else [self.batch.ctypes.data]

        def read_calibration_cache(self):
            return None

        def write_calibration_cache(self, cache):
            self.cache = bytes(cache)

        def get_algorithm(self):
            return trt.CalibrationAlgoType.LEGACY_CALIBRATION

    builder, network, config = network_of(logger)
    config.set_flag(trt.BuilderFlag.INT8)
    config.int8_calibrator = calibrator = Calibrator()
    plan = builder.build_serialized_network(network, config)
    if base == "IInt8Calibrator":
        assert plan is not None and b"LegacyCalibration" in calibrator.cache
    else:
        assert plan is None and "IInt8EntropyCalibrator2 and not an IInt8LegacyCalibrator" in "\n".join(logger.errors)


def test_debug_listener(logger):
    builder, network, config = network_of(logger)
    network.mark_debug(network.get_output(0))
    context = builder.build_engine(network, config).create_execution_context()
    given, result = np.ones((2, 3), np.float32), np.empty((2, 3), np.float32)
    context.set_tensor_address("x", given.ctypes.data)
    context.set_tensor_address("y", result.ctypes.data)
    context.set_all_tensors_debug_state(True)
    context.set_debug_listener(raising(trt.IDebugListener, "process_debug_tensor"))
    assert not context.execute_async_v3(0) and reason(logger)


def test_gpu_allocator(logger):
    builder, network, config = network_of(logger)
    plan = builder.build_serialized_network(network, config)
    runtime = trt.Runtime(logger)
    runtime.gpu_allocator = raising(trt.IGpuAllocator, "allocate", "allocate_async", "reallocate", "deallocate")
    engine = runtime.deserialize_cuda_engine(plan)
    context = engine.create_execution_context() if engine else None
    if context is not None:
        given, result = np.ones((2, 3), np.float32), np.empty((2, 3), np.float32)
        context.set_tensor_address("x", given.ctypes.data)
        context.set_tensor_address("y", result.ctypes.data)
        if context.execute_async_v3(0):
            np.testing.assert_array_equal(result, given)  # an engine that needs no memory asks for none
            return
    assert reason(logger)


def test_observers_that_cannot_fail_a_call_are_shown_as_unraisable(logger, monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: shown.append(str(what.exc_value)))
    context, given = context_of(logger)
    result = np.empty((2, 3), np.float32)
    context.set_tensor_address("y", result.ctypes.data)
    context.profiler = raising(trt.IProfiler, "report_layer_time")
    assert context.execute_async_v3(0)
    assert shown and set(shown) == {"no way on"}
    np.testing.assert_array_equal(result, given)


class Interrupted:
    """What Ctrl-C does inside a callback."""

    def __call__(self, *arguments):
        raise KeyboardInterrupt


@pytest.mark.parametrize("what", ["phase_start", "step_complete", "phase_finish", "get_batch", "write", "read"])
def test_an_interrupt_inside_a_callback_is_raised(logger, what):
    builder, network, config = network_of(logger)
    if what in ("write", "read"):
        base = {"write": trt.IStreamWriter, "read": trt.IStreamReader}[what]
        stream = type("Stream", (base,), {what: Interrupted()})()
        run = (lambda: builder.build_serialized_network_to_stream(network, config, stream)) if what == "write" else (
            lambda: trt.Runtime(logger).deserialize_cuda_engine(stream))
    else:
        run = lambda: builder.build_serialized_network(network, config)
        if what == "get_batch":
            config.set_flag(trt.BuilderFlag.INT8)
            config.int8_calibrator = type("Calibrator", (trt.IInt8EntropyCalibrator2,), {what: Interrupted()})()
        else:
            quiet = {m: lambda *_: True for m in ("phase_start", "step_complete", "phase_finish")}
            config.progress_monitor = type("Monitor", (trt.IProgressMonitor,), {**quiet, what: Interrupted()})()
    with pytest.raises(KeyboardInterrupt):
        run()
    builder, network, config = network_of(logger)
    assert builder.build_serialized_network(network, config) is not None  # what was interrupted is over


def test_an_interrupt_inside_a_logger_is_raised_when_the_call_has_ended(monkeypatch):
    class Log(trt.ILogger):
        def __init__(self):
            super().__init__()

        def log(self, severity, msg):
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "unraisablehook", lambda what: None)
    with pytest.raises(KeyboardInterrupt):
        trt.Runtime(Log()).deserialize_cuda_engine(b"no plan")
        time.sleep(1)


@pytest.mark.parametrize("base, method, makes", [
    (trt.IProgressMonitor, "step_complete", None), (trt.IStreamWriter, "write", None),
    (trt.IStreamWriter, "write", "s"), (trt.IInt8EntropyCalibrator2, "get_batch_size", "four")], ids=str)
def test_results_of_a_wrong_type(logger, base, method, makes):
    builder, network, config = network_of(logger)
    own = {m: lambda *_: None for m in ("phase_start", "phase_finish")} if base is trt.IProgressMonitor else {}
    made = type("Own", (base,), {**own, method: lambda *_: makes})()
    if base is trt.IStreamWriter:
        assert not builder.build_serialized_network_to_stream(network, config, made)
    elif base is trt.IProgressMonitor:
        config.progress_monitor = made
        assert builder.build_serialized_network(network, config) is None
    else:
        config.set_flag(trt.BuilderFlag.INT8)
        config.int8_calibrator = made
        assert builder.build_serialized_network(network, config) is None
    assert f"{method} returned a value of a wrong type" in "\n".join(logger.errors)
