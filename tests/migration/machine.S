/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code of Machine's guest (machine.h). Runs at F000:0000. */
#include "harness/guest_code/guest_code.inc"

#define FIRMWARE 0xf0000
#define COUNTER 0x500
#define FIRST_PAGE 0xe00000
#define MEMORY_END 0x1000000

/*
 * Writes to every page from 14 MiB (below are the driver's rings and buffers) up to the end, round
 * and round, and counts the pages; slowly enough that throttling shows. The invlpg is for TCG:
 * until QEMU 9.0 (upstream commit 03bfc2188f) a page whose translation stays cached is not seen
 * dirty a second time.
 */
begin migrating
    .code16
    cli
    in al, 0x92
    or al, 2                            /* A20 on */
    out 0x92, al
    data32 lgdt cs:[migrating_gdtr - guest_migrating]
    mov eax, cr0
    or al, 1                            /* protected mode */
    mov cr0, eax
    .byte 0x66, 0xea                    /* jmp 08:migrating_protected */
    .long FIRMWARE + migrating_protected - guest_migrating
    .word 0x08
migrating_protected:
    .code32
    mov ax, 0x10
    mov ds, eax
migrating_round:
    mov edi, FIRST_PAGE
migrating_page:
    inc byte ptr [edi]
    invlpg [edi]
    inc dword ptr ds:[COUNTER]
    invlpg ds:[COUNTER]
    mov ecx, 65536
migrating_pause:
    loop migrating_pause
    add edi, 4096
    cmp edi, MEMORY_END
    jb migrating_page
    jmp migrating_round
migrating_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff            /* 08: flat code */
    .quad 0x00cf92000000ffff            /* 10: flat data */
migrating_gdtr:
    .word 0x17
    .long FIRMWARE + migrating_gdt - guest_migrating
end migrating
