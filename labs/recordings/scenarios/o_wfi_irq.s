// about: WFI with no pending IRQ; another thread raises the (masked) IRQ line 80 ms later; stepping
// start: debug ENABLE|SINGLESTEP; irq 1 in wfi

    mov x0, #0x1
    wfi
    add x1, x1, #0x1
    add x2, x2, #0x1
    add x3, x3, #0x1
    str w20, [x20]
