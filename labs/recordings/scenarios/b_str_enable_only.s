// about: KVM_GUESTDBG_ENABLE without SINGLESTEP
// start: debug ENABLE

    mov x0, #0x41
    str w0, [x19]
    add x1, x1, #0x1
    add x2, x2, #0x1
    add x3, x3, #0x1
    add x4, x4, #0x1
    str w20, [x20]
