/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The code of DirtyingGuest. Runs at F000:0000. */
#include "harness/guest_code/guest_code.inc"

begin dirtying
    enter_protected_mode dirtying
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
    descriptors dirtying
end dirtying
