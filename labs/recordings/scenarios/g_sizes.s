// about: all load/store sizes and sign extensions
// start: debug ENABLE|SINGLESTEP
// answer: 0x11223344556677f8 0x1122334455668899 0x80 0x80 0x8001 0x8001 0x80000001 0xfffffffff0000001 0x8877665544332211 0xab 0x99 0x98

    mov x12, #0xffffffffffffffff
    mov x2, x12
    mov x3, x12
    mov x4, x12
    mov x6, x12
    mov x9, x12
    ldrb w2, [x19]
    ldrh w3, [x19]
    ldrsb w4, [x19]
    ldrsb x5, [x19]
    ldrsh w6, [x19]
    ldrsh x7, [x19]
    ldrsw x8, [x19]
    ldr w9, [x19]
    ldr x10, [x19]
    ldrb w11, [x19, #3]
    ldr wzr, [x19]
    ldr xzr, [x19]
    ldr x13, value
    strb w13, [x19, #1]
    strh w13, [x19, #2]
    str w13, [x19, #4]
    str x13, [x19, #8]
    strb wzr, [x19]
    str xzr, [x19]
    sturh w13, [x19, #6]
    str w13, [x19, x22, lsl #2]
    str w20, [x20]
value:
    .word 0x55667788
    .word 0x11223344
