/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code of tcg_memory_map_test.cc. */
#include "harness/guest_code/guest_code.inc"

/* Of the test's Report. */
#define READS 0x102000
#define CHANGES 0x102004
#define WRONG 0x102008

/* The capabilities of the HPET: a register that never changes. */
#define HPET 0xfed00000
/* The first device's register for the RAM at C8000h to CFFFFh (PAM2). */
#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA_PAM2 0xcfe
#define PAM0_DWORD 0x80000090
#define PAM_OFF 0x00
#define PAM_ON 0x33

    .code32

/* Reads the register many times within one translation block, which has no way out in its middle. */
begin reads_a_register
    mov edi, HPET
    mov ecx, [edi]
reads_next:
    xor ebx, ebx
    .rept 64
    mov eax, [edi]
    xor eax, ecx
    or ebx, eax
    .endr
    inc dword ptr ds:[READS]
    test ebx, ebx
    je reads_next
    inc dword ptr ds:[WRONG]
    jmp reads_next
end reads_a_register

/*
 * Has the memory map get two sections more and two less below the register, each when another
 * block of reads has ended.
 */
begin changes_the_map
    mov eax, PAM0_DWORD
    mov dx, CONFIG_ADDRESS
    out dx, eax
    mov dx, CONFIG_DATA_PAM2
    mov al, PAM_OFF
changes_next:
    mov ebx, ds:[READS]
changes_wait:
    cmp ds:[READS], ebx
    je changes_wait
    xor al, PAM_ON
    out dx, al
    inc dword ptr ds:[CHANGES]
    jmp changes_next
end changes_the_map
