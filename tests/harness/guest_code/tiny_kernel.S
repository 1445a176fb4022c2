/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code of the tiny kernels (tiny_kernel.h): a mark at 0x500, and an address at 0x504. */
#include "harness/guest_code/guest_code.inc"

#define MARK 0x500
#define GIVEN 0x504
#define COUNTER 0x508
#define CMD_LINE_PTR 0x228

/* Entered through PVH: EBX points to struct hvm_start_info. */
begin pvh_start
    .code32
    mov ds:[GIVEN], ebx
    mov dword ptr ds:[MARK], 0x21485650             /* "PVH!" */
    cli
end pvh_start

/* After it, one of these two. */
begin pvh_counts
counts_on:
    inc dword ptr ds:[COUNTER]
    jmp counts_on
end pvh_counts

begin pvh_halts
halts_on:
    hlt
    jmp halts_on
end pvh_halts

/* A bzImage's setup: real mode, DS has its header. */
begin setup_start
    .code16
    xor ax, ax
    mov es, ax
    mov eax, ds:[CMD_LINE_PTR]
    mov es:[GIVEN], eax
    mov dword ptr es:[MARK], 0x21495a42             /* "BZI!" */
    cli
setup_halts:
    hlt
    jmp setup_halts
end setup_start
