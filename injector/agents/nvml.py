"""NVIDIA's management library (NVML), as much of it as faults need. A keeper imports this: standard library only.

Functions and layouts are those of nvml.h (CUDA 12); every driver since 470 has them. Where a driver has none, or there
is no driver, `opened` is None.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = "libnvidia-ml.so.1"
NAMED = "DYNAMO_FAULTS_NVML"
"""Variable with another file to load."""
_GRAPHICS = 0
_INSUFFICIENT_SIZE = 7
_NOT_SUPPORTED, _NO_PERMISSION = 3, 4
_TEXT = 96


class NvmlError(OSError):
    """What the library refused, in its own words."""

    def __init__(self, call: str, status: int, said: str) -> None:
        super().__init__(f"NVML refuses {call}: {said}")
        self.never = status in (_NOT_SUPPORTED, _NO_PERMISSION)
        """It would refuse it again."""


class _Pci(ctypes.Structure):
    _fields_ = (
        ("legacy", ctypes.c_char * 16),
        ("domain", ctypes.c_uint),
        ("bus", ctypes.c_uint),
        ("device", ctypes.c_uint),
        ("id", ctypes.c_uint),
        ("subsystem", ctypes.c_uint),
        ("text", ctypes.c_char * 32),
    )


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _User(ctypes.Structure):
    _fields_ = (
        ("pid", ctypes.c_uint),
        ("used", ctypes.c_ulonglong),
        ("instance", ctypes.c_uint),
        ("compute", ctypes.c_uint),
    )


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class Nvml:
    """The library of this machine's driver."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.call("nvmlInit_v2")

    def gpus(self) -> list[Gpu]:
        """By index."""
        count = ctypes.c_uint()
        self.call("nvmlDeviceGetCount_v2", ctypes.byref(count))
        return [self._by_index(number) for number in range(count.value)]

    def gpu(self, uuid: str) -> Gpu:
        """NvmlError when there is none."""
        handle = ctypes.c_void_p()
        self.call("nvmlDeviceGetHandleByUUID", uuid.encode(), ctypes.byref(handle))
        return Gpu(self, handle, uuid)

    def _by_index(self, number: int) -> Gpu:
        handle, uuid = ctypes.c_void_p(), ctypes.create_string_buffer(_TEXT)
        self.call("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(number), ctypes.byref(handle))
        self.call("nvmlDeviceGetUUID", handle, uuid, ctypes.c_uint(_TEXT))
        return Gpu(self, handle, uuid.value.decode())

    def call(self, name: str, *arguments: object) -> None:
        """One of its functions. NvmlError when it refuses."""
        if status := self.status(name, *arguments):
            raise self.refusal(name, status)

    def status(self, name: str, *arguments: object) -> int:
        """What that function returns: 0 when it did what it was asked."""
        function = getattr(self._library, name, None)
        if function is None:
            raise NvmlError(name, _NOT_SUPPORTED, "this driver does not have it")
        status: int = function(*arguments)
        return status

    def refusal(self, name: str, status: int) -> NvmlError:
        """What that status says, in the library's words."""
        describe = self._library.nvmlErrorString
        describe.restype = ctypes.c_char_p
        return NvmlError(name, status, (describe(status) or b"?").decode())


class Gpu:
    """One of them. Methods raise NvmlError."""

    def __init__(self, nvml: Nvml, handle: ctypes.c_void_p, uuid: str) -> None:
        self._nvml, self._handle, self.uuid = nvml, handle, uuid

    @property
    def address(self) -> str:
        """Of PCI, as the driver writes it in the kernel's log: 0000:65:00."""
        pci = _Pci()
        self._ask("nvmlDeviceGetPciInfo_v3", ctypes.byref(pci))
        return f"{pci.domain & 0xFFFF:04x}:{pci.bus:02x}:{pci.device:02x}"

    @property
    def clock(self) -> int:
        """MHz, of graphics, now."""
        return self._number("nvmlDeviceGetClockInfo", ctypes.c_int(_GRAPHICS))

    @property
    def highest_clock(self) -> int:
        """MHz."""
        return self._number("nvmlDeviceGetMaxClockInfo", ctypes.c_int(_GRAPHICS))

    def lock_clock(self, megahertz: int) -> None:
        """Neither more nor less from now on, until it is reset."""
        self._ask("nvmlDeviceSetGpuLockedClocks", ctypes.c_uint(megahertz), ctypes.c_uint(megahertz))

    def reset_clock(self) -> None:
        """As fast as it likes."""
        self._ask("nvmlDeviceResetGpuLockedClocks")

    @property
    def free(self) -> int:
        """Bytes of its memory."""
        memory = _Memory()
        self._ask("nvmlDeviceGetMemoryInfo", ctypes.byref(memory))
        return int(memory.free)

    @property
    def utilization(self) -> int:
        """Percent of the last moments in which something ran on it."""
        seen = _Utilization()
        self._ask("nvmlDeviceGetUtilizationRates", ctypes.byref(seen))
        return int(seen.gpu)

    def users(self) -> dict[int, int]:
        """Processes that compute on it, and the bytes that each has."""
        for room in _rooms():
            count, users = ctypes.c_uint(room), (_User * room)()
            status = self._nvml.status(
                "nvmlDeviceGetComputeRunningProcesses_v3", self._handle, ctypes.byref(count), users
            )
            if status == 0:
                return {int(one.pid): int(one.used) for one in users[: count.value]}
            if status != _INSUFFICIENT_SIZE:
                raise self._nvml.refusal("nvmlDeviceGetComputeRunningProcesses_v3", status)
        return {}

    def _number(self, name: str, *arguments: object) -> int:
        found = ctypes.c_uint()
        self._ask(name, *arguments, ctypes.byref(found))
        return found.value

    def _ask(self, name: str, *arguments: object) -> None:
        self._nvml.call(name, self._handle, *arguments)


def _rooms() -> Iterator[int]:
    room = 64
    while room <= 65536:
        yield room
        room *= 4


def opened() -> Nvml | None:
    """None where there is no driver, or it does not answer."""
    try:
        return Nvml(ctypes.CDLL(os.environ.get(NAMED, LIBRARY)))
    except OSError:
        return None
