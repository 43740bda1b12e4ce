// about: two HVCs then a trapped sysreg read
// start: debug ENABLE|SINGLESTEP

    mov w0, #0x84000000
    hvc #0x0
    hvc #0x0
    mrs x6, id_aa64pfr0_el1
    add x2, x2, #0x1
    add x3, x3, #0x1
    str w20, [x20]
