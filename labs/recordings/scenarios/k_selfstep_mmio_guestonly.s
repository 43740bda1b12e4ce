// about: guest single-steps itself, no host debug

    mov x0, #0x2001
    msr mdscr_el1, x0
    mrs x17, mdscr_el1
    mov x0, #0x0
    msr oslar_el1, x0
    isb
    adr x0, stepped
    msr elr_el1, x0
    mov x0, #0x1c5
    orr x0, x0, #0x200000
    msr spsr_el1, x0
    eret
stepped:
    add x1, x1, #0x1
    str w1, [x19]
    add x3, x3, #0x1
    add x4, x4, #0x1
    add x5, x5, #0x1
    add x6, x6, #0x1
    str w20, [x20]

.org 0x40001200  // vector: synchronous, current EL with SP_ELx
    add x10, x10, #0x1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    stp x11, x12, [x24], #16
    str x13, [x24], #8
    cmp x10, #0x4
    b.ge stop
    orr x13, x13, #0x200000
    msr spsr_el1, x13
    eret
stop:
    mrs x15, mdscr_el1
    mov x16, #0x0
    msr mdscr_el1, x16
    and x13, x13, #0xffffffffffdfffff
    msr spsr_el1, x13
    eret
