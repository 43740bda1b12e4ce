// about: two consecutive MMIO stores
// start: debug ENABLE|SINGLESTEP

    mov x0, #0x41
    str w0, [x19]
    str w0, [x19, #4]
    add x1, x1, #0x1
    add x2, x2, #0x1
    str w20, [x20]
