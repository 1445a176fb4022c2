// SPDX-License-Identifier: GPL-2.0-or-later
// hw/hyperv/syndbg.c of the tree that the binary under test was built from, with a guest's memory
// of which only the first bytes of a buffer can be mapped at once. syndbg_test.cc compiles it.
#include "hw/hyperv/syndbg.c"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static uint8_t* guest;  // behind it is nothing
static hwaddr guest_size, unmapped, written;

void* cpu_physical_memory_map(hwaddr address, hwaddr* size, bool is_write) {
  *size = MIN(*size, guest_size);
  return address && is_write ? guest : NULL;
}
void cpu_physical_memory_unmap(void* at, hwaddr size, bool is_write, hwaddr access) {
  unmapped += size;
  written += at == guest && is_write ? access : 0;
}
void register_module_init(void (*function)(void), module_init_type type) {}
void net_checksum_calculate(uint8_t* data, int length, int flags) {}
void eth_fix_ip4_checksum(void* header, size_t length) {}

// syndbg_receive BYTES RAW MAPPABLE: the debugger sends that many bytes, and the guest asks for up
// to 1 KiB. Prints status, how many bytes there are said to be, were written and unmapped.
int main(int argc, char** argv) {
  HvSynDbg device = {.has_data_pending = true};
  uint8_t bytes[1024];
  uint32_t retrieved = 0;
  int pair[2];

  if (argc != 4) return 2;
  const int count = atoi(argv[1]);
  guest_size = atoi(argv[3]);
  memset(bytes, 'd', sizeof(bytes));
  guest = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guest == MAP_FAILED || mprotect(guest + 4096, 4096, PROT_NONE) != 0 ||
      socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0 || send(pair[0], bytes, count, 0) != count)
    return 2;
  guest += 4096 - guest_size;
  device.socket = pair[1];
  const unsigned status =
      handle_recv_msg(&device, 0x1000, sizeof(bytes), atoi(argv[2]), 0, 0, &retrieved);
  const size_t head = status || !retrieved ? 0 : retrieved - count;
  printf("%u %u %d %d%s\n", status, retrieved, (int)written, (int)unmapped,
         status || memcmp(guest + head, bytes, count) ? "" : " data");
  return 0;
}
