// about: handler does ELR+=4; eret
// answer: 0x99
// on load 1: abort

    mov x2, #0x77
    ldr w2, [x19]
    add x3, x3, #0x1
    add x4, x4, #0x1
    str w20, [x20]

.org 0x40001200  // vector: synchronous, current EL with SP_ELx
    add x10, x10, #0x1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    mrs x14, far_el1
    add x12, x12, #0x4
    msr elr_el1, x12
    eret
