// about: store to a KVM_MEM_READONLY slot (exits as MMIO), then load from it
// start: rom 0x60000000 0x1000 0xcafe; debug ENABLE|SINGLESTEP

    mov x0, #0x55
    str w0, [x26]
    ldr w2, [x26]
    add x1, x1, #0x1
    add x3, x3, #0x1
    str w20, [x20]
