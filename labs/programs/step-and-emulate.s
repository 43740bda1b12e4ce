// A guest kernel that steps its user, and emulates an instruction for it: UDF, which loads 7 into x5.
// x24 points to the log that the stop handler writes.
boot:   adr     x0, user
        msr     elr_el1, x0
        mov     x0, #1                  // MDSCR_EL1.SS
        msr     mdscr_el1, x0
        mov     x0, #0x3c0              // SPSR_EL1: EL0, interrupts masked
        orr     x0, x0, #0x200000       // and SS
        msr     spsr_el1, x0
        eret

        .org    0x40000100
user:   mov     x0, #0x41
        udf     #0                      // no CPU knows it, the kernel emulates it
        add     x1, x1, #1
        add     x2, x2, #1
        str     w20, [x20]              // the end

        .org    0x40001400              // VBAR_EL1 + 0x400: exceptions from EL0
        mrs     x11, esr_el1
        lsr     x12, x11, #26           // the class
        cmp     x12, #0x32              // Software Step?
        b.ne    undef
stop:   mrs     x12, elr_el1
        stp     x12, x11, [x24], #16    // write it down
        add     x10, x10, #1
resume: mrs     x13, spsr_el1
        orr     x13, x13, #0x200000     // one more instruction
        msr     spsr_el1, x13
        eret

undef:  mov     x5, #7                  // this is what the instruction does
        // {skip
        mrs     x12, elr_el1
        add     x12, x12, #4
        msr     elr_el1, x12
        mrs     x13, spsr_el1
        and     x13, x13, #0xffffffffffdfffff
        msr     spsr_el1, x13           // SS := 0, the step is spent
        eret
        // }
