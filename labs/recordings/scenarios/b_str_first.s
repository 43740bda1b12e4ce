// about: MMIO store is the very first instruction
// start: debug ENABLE|SINGLESTEP

    str w0, [x19]
    add x1, x1, #0x1
    add x2, x2, #0x1
    str w20, [x20]
