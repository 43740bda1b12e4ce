// about: system register access stepped
// start: debug ENABLE|SINGLESTEP

    mov x0, #0x1
    mrs x1, pmcr_el0
    add x2, x2, #0x1
    add x3, x3, #0x1
    str w20, [x20]

.org 0x40001200  // vector: synchronous, current EL with SP_ELx
    add x10, x10, #0x1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    mrs x14, far_el1
    str w20, [x20]
