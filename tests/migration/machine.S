/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code of MigrationMachine's guest (machine.h). Runs at F000:0000. */
#include "harness/guest_code/guest_code.inc"

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
    enter_protected_mode migrating
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
    descriptors migrating
end migrating
