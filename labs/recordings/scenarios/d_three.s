// about: three consecutive MMIO accesses (st, ld, st)
// start: debug ENABLE|SINGLESTEP
// answer: 0x31

    mov x0, #0x41
    str w0, [x19]
    ldr w2, [x19, #4]
    str w2, [x19, #8]
    add x1, x1, #0x1
    add x3, x3, #0x1
    str w20, [x20]
