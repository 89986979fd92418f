// Memory of the addon in a build with sanitizers.
//
// AddressSanitizer knows what its own allocator gave out and nothing of raw mmap: there it would see neither a leak nor
// an overflow. So everything but the rings themselves comes from that allocator here, with forbidden bytes around it.
#ifndef RINGWALL_SANITIZE_H
#define RINGWALL_SANITIZE_H

#include <stdlib.h>
#include <string.h>
#include <sanitizer/lsan_interface.h>

static inline void* pages_allocate(size_t bytes) {
  void* data;
  if (posix_memalign(&data, 4096, bytes) != 0) return NULL;
  return memset(data, 0, bytes);
}
static inline void pages_free(void* at, size_t bytes) {
  (void)bytes;
  free(at);
}
// MADV_DONTFORK would take the allocator's neighbours away from a child too.
static inline void pages_keep_from_children(void* at, size_t bytes) { (void)at, (void)bytes; }
static inline void pages_reserve(void* at, size_t bytes) {
  (void)bytes;
  __lsan_ignore_object(at);
}

#endif
