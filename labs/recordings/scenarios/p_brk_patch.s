// about: BRK replaced with nop at the exit, then step
// start: debug ENABLE|SINGLESTEP|USE_SW_BP
// on brk: write pc 0xd503201f

    mov x0, #0x1
    add x1, x1, #0x1
    brk #0x123
    add x2, x2, #0x1
    add x3, x3, #0x1
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
