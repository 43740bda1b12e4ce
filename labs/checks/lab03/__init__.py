"""Checks of lab 03, trapping MMIO: the syndrome, the path of an access, what cannot be emulated, and a device.

Invariant: what is right is what the CPU and the host model do with the very instruction or device.
"""

from __future__ import annotations

from widgets.page.offered import Offer

from checks.lab03.decoding import BY_HAND, check_by_hand, check_decode, fields
from checks.lab03.device import check_device
from checks.lab03.path import (
    CANDIDATES,
    EVENTS,
    check_emulated,
    check_extend,
    check_order,
    loaded,
    logged_order,
)
from checks.task import Lab, Task

__all__ = ["BY_HAND", "CANDIDATES", "EVENTS", "LAB", "fields", "loaded", "logged_order"]

LAB = Lab(
    "03",
    [
        Task(
            "by_hand",
            "Give the fields of the syndrome 0x93670005.",
            check_by_hand,
            (
                "Write the word in binary, four bits a digit: 1001 0011 0110 0111 0000 0000 0000 0101. Number them"
                " from 31.",
                "EC is 31:26, ISV 24, SAS 23:22, SSE 21, SRT 20:16, SF 15, WnR 6.",
                "SAS counts in powers of two.",
            ),
            "0x93670005 = 100100 1 1 01 1 00111 0 ... 0 ... 000101. EC 0x24: a data abort from a lower level. ISV 1."
            " SAS 01: 2 bytes. SSE 1: sign-extend. SRT 00111: register 7. SF 0: a W register. WnR 0: a load. So it is"
            " ldrsh w7; DFSC 000101 says that stage 2 had no translation, at level 1 of its tables.",
            numeric=True,
        ),
        Task(
            "decode",
            "Write decode(esr): the mnemonic and the register, as 'ldrsh w7'; None if the syndrome does not say.",
            check_decode,
            (
                "Look at ISV first.",
                "ld or st from WnR, s from SSE, b or h from SAS; w or x from SF; 31 is zr.",
                "A size of 4 or 8 bytes has no letter, except in ldrsw.",
            ),
            "The hypervisor never looks at the instruction itself. Reading guest memory at PC would be slow, and another"
            " vCPU could change it meanwhile. So what the syndrome does not say, it does not know.",
            ("all-emulated",),
            "if not esr >> 24 & 1:\n    return None\nsize = esr >> 22 & 3\nsign = esr >> 21 & 1\n"
            "number = esr >> 16 & 31\nletter = 'b' if size == 0 else 'h' if size == 1 else 'w' if sign else ''\n"
            "name = ('str' if esr >> 6 & 1 else 'ldrs' if sign else 'ldr') + letter\n"
            "register = 'zr' if number == 31 else str(number)\n"
            "return f\"{name} {'x' if esr >> 15 & 1 else 'w'}{register}\"",
        ),
        Task(
            "order",
            "Put the eight events of a load into their order.",
            check_order,
            (
                "It begins with the abort and ends with the ERET.",
                "The kernel acts twice: inside the first KVM_RUN and inside the second. Which events belong to which?",
            ),
            "In the first KVM_RUN the kernel only finds out what is wanted. Userspace answers. In"
            " the second the kernel completes: the register, then the PC. So at KVM_EXIT_MMIO the instruction is not"
            " done, and a VMM that wants the guest to be consistent must call KVM_RUN once more. Up to 4.20 d stood"
            " before b.",
            ("mmio-is-done",),
            'order = "c g b a f e d h"',
        ),
        Task(
            "extend",
            "Write extend(data, size, sign_extends, sixty_four): the register's 64 bits after a load of `size` bytes.",
            check_extend,
            (
                "First the sign, then the width of the register.",
                "The sign is bit 8 * size - 1 of the data. If it is set, subtract 1 << 8 * size.",
                "At the end cut to 64 bits for an X register, to 32 for a W register.",
            ),
            "The order matters: first the sign, then the width of the register. Linux extended the sign, and then"
            " converted the value to the guest's byte order with a function that cuts to `size` bytes: the sign was"
            " gone. Commit 85f56708a443 (7.2) exchanged the two.",
            code="if sign_extends and data >> (8 * size - 1) & 1:\n    data -= 1 << 8 * size\n"
            "return data & (0xFFFF_FFFF_FFFF_FFFF if sixty_four else 0xFFFF_FFFF)",
        ),
        Task(
            "emulated",
            "Say for each instruction whether KVM can emulate it as MMIO.",
            check_emulated,
            (
                "ISV is 1 only for a load or store of one general register, without writeback.",
                "Acquire and release are allowed. Exclusives and atomics are not.",
            ),
            "The first five have a valid syndrome. The others do not: writeback and pairs change more than one"
            " register, exclusives and atomics do more than one access. KVM_RUN then fails with ENOSYS, or, if"
            " userspace has enabled KVM_CAP_ARM_NISV_TO_USER, returns KVM_EXIT_ARM_NISV and leaves the problem to it."
            " So drivers use plain loads and stores for device registers: in Linux readl() and writel() see to that.",
            ("all-emulated",),
        ),
        Task(
            "device",
            "Write the class Mailbox: DATA at offset 0, COUNT at offset 8.",
            check_device,
            (
                "Keep the values in a list or a deque. A store to offset 0 appends, a load takes the first one out.",
                "Every load gets a number: 0 from an empty mailbox, 0 from any other offset.",
                "save() returns tuple(self.values), restore(state) makes a new list of it.",
            ),
            "A load of DATA has an effect: it takes something out. That is why an access must be made exactly once, and"
            " why a kernel that completes it twice, or an instruction that is run again, is a bug that one can see."
            " save() gives a copy, and restore() makes one: the panel keeps many states, and none may change later.",
            code="def __init__(self):\n    self.values = []\n\ndef read(self, offset, length):\n"
            "    if offset == 0:\n        return self.values.pop(0) if self.values else 0\n"
            "    return len(self.values) if offset == 8 else 0\n\ndef write(self, offset, length, value):\n"
            "    if offset == 0:\n        self.values.append(value)\n\ndef save(self):\n"
            "    return tuple(self.values)\n\ndef restore(self, state):\n    self.values = list(state)",
        ),
    ],
    Offer(what_ifs=False, summaries=False),
)
