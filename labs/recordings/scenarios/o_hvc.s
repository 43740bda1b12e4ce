// about: HVC PSCI_VERSION stepped
// start: debug ENABLE|SINGLESTEP

    mov w0, #0x84000000
    hvc #0x0
    add x1, x0, #0x1
    add x2, x2, #0x1
    str w20, [x20]
