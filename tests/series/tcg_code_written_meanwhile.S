/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Code of tcg_code_written_meanwhile_test.cc. */
#include "harness/guest_code/guest_code.inc"

/* Of the test's Report. */
#define BEGUN 0x102000
#define CALLED 0x102004
#define RETURNED 0x102008
#define WRITTEN 0x10200c
#define DONE 0x102010
#define IN_TIME 0x102014
#define STALE 0x102018
/* A word that only the function writes. */
#define WORK 0x102020

#define FUNCTION 0x104003
#define VALUE 0x104004
#define NEIGHBOUR 0x104f00

    .code32

/* The second function of the page keeps the page one that has translations. */
begin neighbour
    ret
end neighbour

/*
 * When a round has begun, says so and calls the function, whose translation the writer has just
 * ended. When the last value is written, calls it again: that value must come.
 */
begin caller
    mov ebx, FUNCTION
    mov edx, NEIGHBOUR
    mov esi, 1
caller_round:
    cmp ds:[BEGUN], esi
    jne caller_round
    call edx
    mov ds:[CALLED], esi
    call ebx
    mov ds:[RETURNED], esi
caller_wait:
    cmp ds:[WRITTEN], esi
    jne caller_wait
    call ebx
    cmp eax, esi
    je caller_good
    inc dword ptr ds:[STALE]
caller_good:
    mov ds:[DONE], esi
    inc esi
    jmp caller_round
end caller

/*
 * A round: writes a value; when the function is called, waits for a pseudo-random time, in which it
 * is translated, and writes the last value. A write is in time when the call has not returned.
 */
begin writer
    mov esi, 1
    mov ebx, esi
writer_round:
    mov eax, esi
    or eax, 0x80000000
    mov ds:[VALUE], eax                 /* ends the function's translation */
    mov ds:[BEGUN], esi
writer_called:
    cmp ds:[CALLED], esi
    jne writer_called
    imul ebx, ebx, 1664525
    add ebx, 1013904223
    mov ecx, ebx
    shr ecx, 20
    add ecx, 3000
writer_spin:
    dec ecx
    jne writer_spin
    cmp ds:[RETURNED], esi
    je writer_late
    inc dword ptr ds:[IN_TIME]
writer_late:
    mov ds:[VALUE], esi
    mov ds:[WRITTEN], esi
writer_wait:
    cmp ds:[DONE], esi
    jne writer_wait
    inc esi
    jmp writer_round
end writer

/*
 * Returns VALUE, and takes long to translate: its first instruction is read long before the
 * translation is done.
 */
begin function
    mov eax, 0
    .rept 128
    inc dword ptr ds:[WORK]
    .endr
    ret
end function

/* Writes VALUE without pause. */
begin busy_writer
busy_writer_round:
    inc esi
    mov ds:[VALUE], esi
    jmp busy_writer_round
end busy_writer

/* Calls the function; counts in STALE when it returned an older VALUE than the call before. */
begin busy_caller
    mov ebx, FUNCTION
    xor edx, edx
busy_caller_round:
    call ebx
    mov ecx, eax
    sub ecx, edx
    jns busy_caller_newer
    inc dword ptr ds:[STALE]
busy_caller_newer:
    mov edx, eax
    inc dword ptr ds:[DONE]
    jmp busy_caller_round
end busy_caller
