"""Guest programs for the tests of the debugger."""

from aarch64sim.kvm.kernels import ERAS as NAMED_ERAS

STORE = """
start:  mov     x0, #0x41
        str     w0, [x19]
        add     x1, x1, #1
        add     x2, x2, #1
        add     x3, x3, #1
        add     x4, x4, #1
        str     w20, [x20]
"""

# Loops over plain code, RAM stores on many pages, UART stores, a device load, system registers and calls.
MIXTURE = """
start:  mov     x9, #0
        movz    x10, #0x4008, lsl #16
loop:   add     x9, x9, #1
        and     x11, x9, #31
        add     x12, x10, x11, lsl #12
        str     x9, [x12]
        ldr     x13, [x12]
        add     x14, x14, x13
        tst     x9, #7
        b.ne    skip
        str     w9, [x19]
        ldr     w15, [x19, #0x18]
        mrs     x16, id_aa64pfr0_el1
        movz    w0, #0x8400, lsl #16
        hvc     #0
        str     x14, [x21]
skip:   svc     #1
        cmp     x9, x22
        b.ne    loop
        str     w20, [x20]
        .org    0x1200
        mrs     x17, elr_el1
        add     x18, x18, #1
        str     x18, [x24]
        eret
"""

ENDLESS = "start: add x0, x0, #1\n b start\n"

ERAS = (*(era.name for era in NAMED_ERAS), "fixed")
