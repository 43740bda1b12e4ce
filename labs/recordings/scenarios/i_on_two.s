// about: free run; stepping on at first MMIO exit; next insn is MMIO too
// on store 1: debug ENABLE|SINGLESTEP

    mov x0, #0x41
    str w0, [x19]
    str w0, [x19, #4]
    add x1, x1, #0x1
    add x2, x2, #0x1
    str w20, [x20]
