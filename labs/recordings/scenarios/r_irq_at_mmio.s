// about: IRQ unmasked, line raised at the first MMIO exit, stepping
// start: debug ENABLE|SINGLESTEP
// on store 1: irq 1
// on store at 0x9000040: irq 0

    mov x0, #0x1
    msr daifclr, #0x2
    add x1, x1, #0x1
    str w0, [x19]
    add x2, x2, #0x1
    add x3, x3, #0x1
    str w20, [x20]

.org 0x40001280  // vector: IRQ, current EL with SP_ELx
    add x10, x10, #0x1
    mrs x12, elr_el1
    mrs x13, spsr_el1
    str w0, [x19, #64]
    eret
