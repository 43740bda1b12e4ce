// A guest kernel at EL1 that steps its user at EL0. Nobody on the host is needed for that.
// The user's instructions are those of store.s; x24 points to the log that the stop handler writes.
boot:   adr     x0, user
        msr     elr_el1, x0             // the ERET goes to the user
        // {grant
        mov     x0, #1                  // MDSCR_EL1.SS: the switch
        msr     mdscr_el1, x0
        mov     x0, #0x3c0              // SPSR_EL1: EL0, interrupts masked
        orr     x0, x0, #0x200000       // SPSR_EL1.SS: one instruction
        msr     spsr_el1, x0
        // }
        eret

        .org    0x40000100
user:   mov     x0, #0x41
        str     w0, [x19]               // the UART: emulated by the hypervisor
        add     x1, x1, #1
        add     x2, x2, #1
        add     x3, x3, #1
        add     x4, x4, #1
        str     w20, [x20]              // the end

        .org    0x40001400              // VBAR_EL1 + 0x400: exceptions from EL0
stop:   mrs     x11, esr_el1            // why
        mrs     x12, elr_el1            // where the user goes on
        stp     x12, x11, [x24], #16    // write it down
        add     x10, x10, #1
        // {resume
        mrs     x13, spsr_el1
        orr     x13, x13, #0x200000     // one more instruction
        msr     spsr_el1, x13
        eret
        // }
