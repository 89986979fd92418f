// Calls on files that node:fs does not offer: flock, the alignment of direct I/O, fallocate, and writes with RWF flags.
#include "addon.h"

FUNCTION(lock) {
  enum { LOCK_EXCLUSIVE_NOW = 2 | 4, LOCK_RELEASE = 8 };
  ARGUMENTS(2)
  int descriptor;
  bool exclusive;
  if (!read_int32(env, arguments[0], &descriptor) || !read_boolean(env, arguments[1], &exclusive)) return NULL;
  return number(env, syscall2(SYS_FLOCK, descriptor, exclusive ? LOCK_EXCLUSIVE_NOW : LOCK_RELEASE));
}

FUNCTION(direct_alignment) {
  enum { AT_EMPTY_PATH = 0x1000, STATX_DIOALIGN = 0x2000, MASK = 0, MEMORY_ALIGN = 38, OFFSET_ALIGN = 39 };
  ARGUMENTS(2)
  int descriptor;
  uint32_t* out;
  if (!read_int32(env, arguments[0], &descriptor) || !read_array32(env, arguments[1], 2, &out)) return NULL;
  uint32_t status[64] = { 0 };  // struct statx: 256 bytes; the two alignments stand at 152 and 156
  long result = syscall6(SYS_STATX, descriptor, (long)"", AT_EMPTY_PATH, STATX_DIOALIGN, (long)status, 0);
  bool known = result == 0 && (status[MASK] & STATX_DIOALIGN);
  out[0] = known ? status[MEMORY_ALIGN] : 0;
  out[1] = known ? status[OFFSET_ALIGN] : 0;
  return number(env, result);
}

FUNCTION(allocate_range) {
  ARGUMENTS(6)
  int descriptor;
  uint32_t mode;
  uint64_t offset, bytes;
  if (!read_int32(env, arguments[0], &descriptor) || !read_uint32(env, arguments[1], &mode) ||
      !read_halves(env, arguments + 2, &offset) || !read_halves(env, arguments + 4, &bytes)) return NULL;
  return number(env, syscall4(SYS_FALLOCATE, descriptor, mode, (long)offset, (long)bytes));
}

FUNCTION(cached_pages) {
  ARGUMENTS(4)
  int descriptor;
  uint64_t offset;
  size_t bytes;
  if (!read_int32(env, arguments[0], &descriptor) || !read_halves(env, arguments + 1, &offset) || !read_size(env, arguments[3], &bytes)) return NULL;
  struct { uint64_t offset, bytes; } range = { offset, bytes };
  struct { uint64_t cached, dirty, writeback, evicted, recently_evicted; } status = { 0, 0, 0, 0, 0 };
  long result = syscall4(SYS_CACHESTAT, descriptor, (long)&range, (long)&status, 0);
  return number(env, is_failure(result) ? result : (long)status.cached);
}

static napi_value transfer(napi_env env, napi_callback_info info, long syscall) {
  ARGUMENTS(7)
  int descriptor;
  uint8_t* data;
  uint32_t flags;
  uint64_t position;
  size_t length, start, bytes;
  (void)state;
  if (!read_int32(env, arguments[0], &descriptor) || !read_memory(env, arguments[1], &data, &length) ||
      !read_size(env, arguments[2], &start) || !read_size(env, arguments[3], &bytes) ||
      !read_halves(env, arguments + 4, &position) || !read_uint32(env, arguments[6], &flags)) return NULL;
  if (start > length || bytes > length - start) return throw_range(env, "the range lies outside the memory");
  struct io_vector vector = { data + start, bytes };
  // The position is one register on 64-bit machines; the kernel ignores the high half that follows it.
  return number(env, syscall6(syscall, descriptor, (long)&vector, 1, (long)position, 0, flags));
}

FUNCTION(write_at) { return transfer(env, info, SYS_PWRITEV2); }
FUNCTION(read_at) { return transfer(env, info, SYS_PREADV2); }
