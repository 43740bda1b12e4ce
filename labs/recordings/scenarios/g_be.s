// about: big-endian guest data accesses
// start: debug ENABLE|SINGLESTEP
// answer: 0x11223344 0x8899 0x1122334455667788 0x8001

    mrs x6, sctlr_el1
    orr x6, x6, #0x2000000
    msr sctlr_el1, x6
    isb
    ldr x13, value
    ldr w2, [x19]
    ldrh w3, [x19]
    ldr x4, [x19]
    ldrsh x5, [x19]
    strh w13, [x19]
    str w13, [x19]
    str x13, [x19]
    str w20, [x20]

.org 0x40000038
value:
    .word 0x44332211
    .word 0x88776655
