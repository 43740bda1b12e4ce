// about: eret to EL0, MMIO from EL0, svc from EL0
// start: debug ENABLE|SINGLESTEP

    adr x0, user
    msr elr_el1, x0
    mov x0, #0x3c0
    msr spsr_el1, x0
    eret

.org 0x40000100
user:
    mov x0, #0x42
    str w0, [x19]
    add x1, x1, #0x1
    svc #0x9
    add x2, x2, #0x1
    str w20, [x20]

.org 0x40001400  // vector: synchronous, from EL0
    add x10, x10, #0x1
    mrs x11, esr_el1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    mrs x14, far_el1
    eret
