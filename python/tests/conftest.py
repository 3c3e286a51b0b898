"""`--sample N`: of every test that is parametrized over many cases of torch, each N-th case."""

import collections


def pytest_addoption(parser):
    parser.addoption("--sample", type=int, default=1, help="keep each N-th case of the torch suites")


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
