// about: SVC to guest EL1 vector, eret, no MMIO
// start: debug ENABLE|SINGLESTEP

    mov x0, #0x1
    svc #0x7
    add x1, x1, #0x1
    add x2, x2, #0x1
    str w20, [x20]

.org 0x40001200  // vector: synchronous, current EL with SP_ELx
    add x10, x10, #0x1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    mrs x14, far_el1
    eret
