"""Tests of converters: a function that returns a module, with the inputs to convert it on."""


class ModuleTest:
    def __init__(self, module_fn, dtype, device, input_shapes, **torch2trt_kwargs):
        self.module_fn, self.dtype, self.device, self.input_shapes = module_fn, dtype, device, input_shapes
        self.torch2trt_kwargs = torch2trt_kwargs

    def module_name(self):
        return f"{self.module_fn.__module__}.{self.module_fn.__name__}"


MODULE_TESTS = []


def add_module_test(dtype, device, input_shapes, **torch2trt_kwargs):
    """Registers a test of the decorated function's module on random inputs of these shapes."""

    def register(module_fn):
        MODULE_TESTS.append(ModuleTest(module_fn, dtype, device, input_shapes, **torch2trt_kwargs))
        return module_fn

    return register
