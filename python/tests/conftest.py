"""`--sample N`: of every test that is parametrized over many cases of torch, each N-th case. `--device cuda`: the torch
suites, with their modules and tensors on the GPU."""

import collections

import pytest


def pytest_addoption(parser):
    parser.addoption("--sample", type=int, default=1, help="keep each N-th case of the torch suites")
    parser.addoption("--device", default="cpu", help="where the torch suites make tensors")


@pytest.fixture(autouse=True)
def device(request):
    """What torch's tensors are made on, in the suites that take it."""
    name = request.config.getoption("--device")
    if name == "cpu" or not request.path.name.startswith("test_torch"):
        yield "cpu"
        return
    import torch

    rounds, torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.allow_tf32, False
    torch.set_default_device(name)
    yield name
    torch.set_default_device(None)
    torch.backends.cudnn.allow_tf32 = rounds


def pytest_collection_modifyitems(config, items):
    step = config.getoption("--sample")
    if step <= 1:
        return
    seen, kept = collections.Counter(), []
    for item in items:
        name = f"{item.path.name}:{getattr(item, 'originalname', item.name)}"
        if not item.path.name.startswith("test_torch") or seen[name] % step == 0:
            kept.append(item)
        seen[name] += 1
    config.hook.pytest_deselected(items=[i for i in items if i not in kept])
    items[:] = kept
