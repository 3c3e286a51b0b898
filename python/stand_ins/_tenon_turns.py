"""What `tenon` and `torch2trt` share: the order of an engine's runs."""

import threading


class Turns:
    """The runs of one engine, which share its memory, one after another.

    Inside `with turns:` a thread is alone; `turns.stream(device)` there gives the handle of torch's current stream,
    which waits for the run before where that went to another. It belongs to the engine alone: copies of a module have
    their own.
    """

    def __init__(self):
        self._lock, self._last = threading.Lock(), None

    def __enter__(self):
        self._lock.acquire()
        return self

    def __exit__(self, *_):
        self._lock.release()

    def stream(self, device):
        """0 for the CPU. What is captured waits for nothing: a graph runs when it is launched."""
        import torch

        if device.type != "cuda":
            return 0
        stream = torch.cuda.current_stream(device)
        if not torch.cuda.is_current_stream_capturing():
            if self._last is not None and self._last != stream:
                stream.wait_stream(self._last)
            self._last = stream
        return stream.cuda_stream
