/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code of DirtyingGuest. Runs at F000:0000. */
#include "harness/guest_code/guest_code.inc"

#define FIRMWARE 0xf0000

begin dirtying
    .code16
    cli
    in al, 0x92
    or al, 2                            /* A20 on */
    out 0x92, al
    data32 lgdt cs:[dirtying_gdtr - guest_dirtying]
    mov eax, cr0
    or al, 1                            /* protected mode */
    mov cr0, eax
    .byte 0x66, 0xea                    /* jmp 08:dirtying_protected */
    .long FIRMWARE + dirtying_protected - guest_dirtying
    .word 0x08
dirtying_protected:
    .code32
    mov ax, 0x10
    mov ds, eax
dirtying_round:
    mov edi, 0x100000
dirtying_page:
    inc byte ptr [edi]
    add edi, 4096
    cmp edi, 0x12345678
    .globl guest_dirtying_limit_end
guest_dirtying_limit_end:               /* the number before it is DirtyingGuest's to set */
    jb dirtying_page
    jmp dirtying_round
dirtying_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff            /* 08: flat code */
    .quad 0x00cf92000000ffff            /* 10: flat data */
dirtying_gdtr:
    .word 0x17
    .long FIRMWARE + dirtying_gdt - guest_dirtying
end dirtying
