// about: MMIO then taken branch
// start: debug ENABLE|SINGLESTEP

    mov x0, #0x41
    str w0, [x19]
    b after
    add x1, x1, #0x1
    add x2, x2, #0x1
after:
    add x3, x3, #0x1
    add x4, x4, #0x1
    str w20, [x20]
