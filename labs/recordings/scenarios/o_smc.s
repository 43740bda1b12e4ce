// about: SMC stepped (trapped)
// start: debug ENABLE|SINGLESTEP
// limit: 40

    mov w0, #0x84000000
    smc #0x0
    add x1, x0, #0x1
    add x2, x2, #0x1
    str w20, [x20]
