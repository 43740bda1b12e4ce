// A guest that steps itself, at EL1: its handler counts the stops in x10.
start:  mov     x0, #0x2001             // MDSCR_EL1: KDE and SS
        msr     mdscr_el1, x0
        msr     oslar_el1, xzr          // the OS Lock is open
        isb
        adr     x0, body
        msr     elr_el1, x0
        mov     x0, #0x1c5              // SPSR_EL1: EL1h, D = 0
        orr     x0, x0, #0x200000       // and SS = 1
        msr     spsr_el1, x0
        eret
body:   add     x1, x1, #1
        add     x2, x2, #1
        add     x3, x3, #1
        str     w20, [x20]              // the end
        .org    0x40001200              // VBAR_EL1 + 0x200: exceptions from EL1 itself
stop:   add     x10, x10, #1
        mrs     x13, spsr_el1
        orr     x13, x13, #0x200000     // one more instruction
        msr     spsr_el1, x13
        eret
