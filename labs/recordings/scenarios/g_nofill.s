// about: VMM never fills run->mmio.data for loads
// start: debug ENABLE|SINGLESTEP

    mov x0, #0x41
    str w0, [x19]
    ldr w2, [x19, #4]
    ldr x3, [x19, #8]
    add x4, x4, #0x1
    str w20, [x20]
