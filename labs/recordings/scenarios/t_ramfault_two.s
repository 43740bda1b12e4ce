// about: two stage-2 faulting stores, then MMIO
// start: debug ENABLE|SINGLESTEP

    mov x9, #0x40100000
    mov x10, #0x40110000
    str x9, [x9]
    str x9, [x10]
    str w0, [x19]
    add x3, x3, #0x1
    str w20, [x20]
