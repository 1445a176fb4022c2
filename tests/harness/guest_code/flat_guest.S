/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The start code of FlatGuest (flat_guest.h), whose addresses these are. */
#include "harness/guest_code/guest_code.inc"

#define COPY_FROM 0xf1000
#define BEGIN 0x100000
#define DWORDS 0x3800
#define SECOND_CPU 0x101000
#define OTHERS 0x102ff8
#define NO_HANDLER_COUNT 0x102ffc
#define IDT 0x103000
#define FIRST_STACK 0x120000
#define SECOND_STACK 0x130000
#define APIC_BASE 0x1b
#define APIC 0xfee00000
#define APIC_SPURIOUS 0xf0
#define APIC_ICR 0x300
/* Start-up at f000:0000, to all others. */
#define ICR_START_UP 0xc46f0

/* Runs at F000:0000, on the first CPU from reset, on the second from its start-up IPI. */
begin flat_start
    enter_protected_mode flat_start, lidt=1
    mov es, eax
    mov ss, eax
    mov al, 0xff                        /* mask the PICs */
    out 0x21, al
    out 0xa1, al
    mov ecx, APIC_BASE
    rdmsr
    test ah, 1                          /* the bootstrap processor? */
    je flat_other
    mov esi, COPY_FROM
    mov edi, BEGIN
    mov ecx, DWORDS
    rep movsd
    mov esp, FIRST_STACK
    mov edi, APIC
    mov dword ptr [edi + APIC_SPURIOUS], 0x1ff      /* enabled, vector 0xff */
flat_sipi:
    mov dword ptr [edi + APIC_ICR], ICR_START_UP
    mov ecx, 0x100000
flat_later:
    dec ecx
    jne flat_later
    cmp byte ptr ds:[OTHERS], 1
    .globl guest_flat_others_end
guest_flat_others_end:                  /* the number before it is FlatGuest's to set */
    jne flat_sipi
    .byte 0xea                          /* jmp 08:BEGIN */
    .long BEGIN
    .word 0x08
flat_other:
    mov esp, SECOND_STACK
    inc byte ptr ds:[OTHERS]
    .byte 0xea                          /* jmp 08:SECOND_CPU */
    .long SECOND_CPU
    .word 0x08
    .globl guest_flat_no_handler
guest_flat_no_handler:
    inc dword ptr ds:[NO_HANDLER_COUNT]
flat_stop:
    cli
    hlt
    jmp flat_stop
    descriptors flat_start
flat_start_idtr:
    .word 0x7ff
    .long IDT
end flat_start
