// about: ALU; LDR MMIO into x2; ADD
// start: debug ENABLE|SINGLESTEP
// answer: 0x30

    mov x0, #0x1
    ldr w2, [x19]
    add x3, x2, #0x1
    add x4, x4, #0x1
    add x5, x5, #0x1
    str w20, [x20]
