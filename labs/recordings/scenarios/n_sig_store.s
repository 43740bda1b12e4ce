// about: signal pending when KVM_RUN is called after the MMIO exit
// start: debug ENABLE|SINGLESTEP
// on store 1: run signal

    mov x0, #0x41
    str w0, [x19]
    add x1, x1, #0x1
    add x2, x2, #0x1
    add x3, x3, #0x1
    add x4, x4, #0x1
    str w20, [x20]
