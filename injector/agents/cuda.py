"""NVIDIA's driver (libcuda), as much of it as it takes to use a GPU's memory and time. Standard library only."""

from __future__ import annotations

import ctypes
import os
import threading

LIBRARY = "libcuda.so.1"
NAMED = "DYNAMO_FAULTS_CUDA"
"""Variable with another file to load."""
_PIECE = 64 << 20
"""Bytes of the largest piece in which memory is asked for: its last free parts are smaller than one."""
_TICKS = 20_000_000
"""Clock ticks that one kernel runs: some 10 ms."""
_BURN = b"""
.version 6.0
.target sm_50
.address_size 64
.visible .entry burn(.param .u64 ticks)
{
    .reg .u64 %r<4>;
    .reg .pred %p;
    ld.param.u64 %r1, [ticks];
    mov.u64 %r2, %clock64;
AGAIN:
    mov.u64 %r3, %clock64;
    sub.u64 %r3, %r3, %r2;
    setp.lt.u64 %p, %r3, %r1;
    @%p bra AGAIN;
    ret;
}
"""


class Context:
    """On the GPU of that PCI address ("0000:65:00"), for this process. OSError for what the driver refuses."""

    def __init__(self, address: str) -> None:
        self._library = ctypes.CDLL(os.environ.get(NAMED, LIBRARY))
        self._call("cuInit", ctypes.c_uint(0))
        device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuDeviceGetByPCIBusId", ctypes.byref(device), f"{address}.0".encode())
        self._call("cuCtxCreate_v2", ctypes.byref(self._context), ctypes.c_uint(0), device)

    def hold(self, leave: int) -> int:
        """Take memory until only so many bytes are free; returns how many it took."""
        free, total, took = ctypes.c_size_t(), ctypes.c_size_t(), 0
        while True:
            self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
            piece = min(_PIECE, free.value - leave)
            if piece <= 0:
                return took
            self._call("cuMemAlloc_v2", ctypes.byref(ctypes.c_uint64()), ctypes.c_size_t(piece))
            took += piece

    def burn(self) -> None:
        """Keep it busy from now on, in a thread."""
        module, function = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), _BURN)
        self._call("cuModuleGetFunction", ctypes.byref(function), module, b"burn")
        threading.Thread(target=self._launch_on, args=(function,), daemon=True).start()

    def _launch_on(self, function: ctypes.c_void_p) -> None:
        ticks = ctypes.c_uint64(_TICKS)
        arguments = (ctypes.c_void_p * 1)(ctypes.cast(ctypes.byref(ticks), ctypes.c_void_p))
        everywhere = [ctypes.c_uint(size) for size in (1024, 1, 1, 256, 1, 1, 0)]
        self._call("cuCtxSetCurrent", self._context)
        while True:
            self._call("cuLaunchKernel", function, *everywhere, None, arguments, None)
            self._call("cuCtxSynchronize")

    def _call(self, name: str, *arguments: object) -> None:
        if status := getattr(self._library, name)(*arguments):
            said = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(said))
            raise OSError(f"CUDA refuses {name}: {(said.value or b'?').decode()}")
