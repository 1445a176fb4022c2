/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code of tcg_nested_svm_test.cc. EDI points to the local APIC. */
#include "harness/guest_code/guest_code.inc"

#define EFER 0xc0000080
#define EFER_SVME 0x1000
#define VM_HSAVE_PA 0xc0010117
#define APIC_EOI 0xb0
#define APIC_ICR 0x300
/* Vector 0x40, to itself. */
#define ICR_SELF_40 0x44040

    .code32

/* Of the test's GifReport. */
#define ROUNDS 0x102000
#define TAKEN_WITH_GIF_CLEAR 0x102004
#define NOT_TAKEN_WITH_GIF_SET 0x102008
#define TAKEN 0x10200c
#define FPU_LOADS 0x102010
#define FPU_STATE 0x102800

/* Sends itself an interrupt while GIF is clear, and takes it after STGI, round and round. */
begin gif_rounds
    mov ecx, EFER
    rdmsr
    or eax, EFER_SVME
    wrmsr
    sti
gif_next:
    mov dword ptr ds:[TAKEN], 0
    mov ebx, ds:[FPU_LOADS]
    clgi
    mov dword ptr [edi + APIC_ICR], ICR_SELF_40
    mov ecx, 10
gif_spin:
    dec ecx
    jne gif_spin
    mov eax, ds:[TAKEN]
    add ds:[TAKEN_WITH_GIF_CLEAR], eax
gif_wait:
    stgi
    mov ecx, 1000
gif_poll:
    cmp dword ptr ds:[TAKEN], 0
    jne gif_taken
    dec ecx
    jne gif_poll
    inc dword ptr ds:[NOT_TAKEN_WITH_GIF_SET]
    jmp gif_wait
gif_taken:
    cmp ebx, ds:[FPU_LOADS]
    je gif_next
    inc dword ptr ds:[ROUNDS]           /* the other CPU ran meanwhile */
    jmp gif_next
end gif_rounds

begin gif_handler
    inc dword ptr ds:[TAKEN]
    mov dword ptr [edi + APIC_EOI], 0
    iretd
end gif_handler

/*
 * Counts in a cache line that the first CPU writes too: stores then wait in both CPUs, so that a
 * change of the flags takes long enough to meet another.
 */
begin loads_fpu
    fninit
    fnstenv ds:[FPU_STATE]
fpu_again:
    inc dword ptr ds:[FPU_LOADS]
    fldenv ds:[FPU_STATE]
    jmp fpu_again
end loads_fpu

/* Of the test's InjectionReport. */
#define DELIVERED 0x102000
#define COUNTER 0x102004
#define VMCB 0x104000
#define HOST_SAVE 0x105000

begin run_guest
    mov ecx, EFER
    rdmsr
    or eax, EFER_SVME
    wrmsr
    mov ecx, VM_HSAVE_PA
    xor edx, edx
    mov eax, HOST_SAVE
    wrmsr
    mov eax, VMCB
    vmrun eax
    ud2
end run_guest

begin guest_loop
    jmp guest_guest_loop
end guest_loop

begin injected_handler
    inc dword ptr ds:[DELIVERED]
injected_on:
    inc dword ptr ds:[COUNTER]
    jmp injected_on
end injected_handler
