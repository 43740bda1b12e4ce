// about: SCTLR_EL1.A=1 unaligned RAM store: data abort taken to EL1 by hardware
// start: debug ENABLE|SINGLESTEP

    mrs x0, sctlr_el1
    orr x0, x0, #0x2
    msr sctlr_el1, x0
    isb
    add x1, x21, #0x1
    str x0, [x1]
    add x2, x2, #0x1
    str w20, [x20]

.org 0x40001200  // vector: synchronous, current EL with SP_ELx
    add x10, x10, #0x1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    mrs x14, far_el1
    str w20, [x20]
