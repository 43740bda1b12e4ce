"""Userspace: devices, and the loop that runs a guest and answers its exits."""

from aarch64sim.vmm.devices import Bus, BusError, Counter, Device, ExitDevice, Uart
from aarch64sim.vmm.machine import ExitRecord, Machine
from aarch64sim.vmm.start import StartState, default_start, recordings_folder

__all__ = [
    "Bus",
    "BusError",
    "Counter",
    "Device",
    "ExitDevice",
    "ExitRecord",
    "Machine",
    "StartState",
    "Uart",
    "default_start",
    "recordings_folder",
]
