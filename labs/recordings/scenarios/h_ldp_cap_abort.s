// about: NISV cap on, VMM injects ext dabt at ARM_NISV
// start: cap ARM_NISV_TO_USER; debug ENABLE|SINGLESTEP
// on nisv: abort

    mov x0, #0x1
    ldp w2, w3, [x19]
    add x4, x4, #0x1
    add x5, x5, #0x1
    str w20, [x20]

.org 0x40001200  // vector: synchronous, current EL with SP_ELx
    add x10, x10, #0x1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    mrs x14, far_el1
    str w20, [x20]
