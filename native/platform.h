// Raw Linux syscalls for the two architectures that Ringwall ships binaries for.
//
// Owns: the inline assembly, the syscall numbers and the few constants of the kernel's interface.
// Must never: include or link a C library. One binary has to load under glibc and under musl, so it may need
// neither; errno is thread-local storage of a C library, so a failure here is the negated number itself.
#ifndef RINGWALL_PLATFORM_H
#define RINGWALL_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
enum {
  SYS_READ = 0, SYS_CLOSE = 3, SYS_MMAP = 9, SYS_MUNMAP = 11, SYS_SCHED_YIELD = 24, SYS_FCNTL = 72, SYS_MADVISE = 28, SYS_FLOCK = 73, SYS_OPENAT = 257,
  SYS_FALLOCATE = 285, SYS_PREADV2 = 327, SYS_PWRITEV2 = 328, SYS_STATX = 332,
};
#elif defined(__aarch64__)
enum {
  SYS_READ = 63, SYS_CLOSE = 57, SYS_MMAP = 222, SYS_MUNMAP = 215, SYS_SCHED_YIELD = 124, SYS_FCNTL = 25, SYS_MADVISE = 233, SYS_FLOCK = 32, SYS_OPENAT = 56,
  SYS_FALLOCATE = 47, SYS_PREADV2 = 286, SYS_PWRITEV2 = 287, SYS_STATX = 291,
};
#else
#error "Ringwall's addon knows x86-64 and aarch64 only; elsewhere the node:fs backend serves"
#endif
enum { SYS_IO_URING_SETUP = 425, SYS_IO_URING_ENTER = 426, SYS_IO_URING_REGISTER = 427, SYS_CACHESTAT = 451 };

enum { ERRNO_NOMEM = 12, ERRNO_INVAL = 22, ERRNO_MFILE = 24, ERRNO_NOSYS = 38, ERRNO_NOTSUP = 95, ERRNO_CANCELED = 125 };

enum { PROTECT_NONE = 0, PROTECT_READ_WRITE = 3 };
enum { MAP_SHARED_ = 0x1, MAP_PRIVATE_ = 0x2, MAP_FIXED_ = 0x10, MAP_ANONYMOUS_ = 0x20, MAP_NORESERVE_ = 0x4000, MAP_POPULATE_ = 0x8000 };
enum { MADVISE_DONTFORK = 10 };

struct io_vector {
  void* base;
  size_t bytes;
};

static inline long syscall6(long number, long a, long b, long c, long d, long e, long f) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
#else
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
#endif
}

static inline long syscall4(long number, long a, long b, long c, long d) { return syscall6(number, a, b, c, d, 0, 0); }
static inline long syscall2(long number, long a, long b) { return syscall6(number, a, b, 0, 0, 0, 0); }

// The kernel answers with an address or with -4095..-1.
static inline bool is_failure(long result) { return (unsigned long)result >= (unsigned long)-4095L; }

static inline long map_memory(void* at, size_t bytes, int protection, int flags, int descriptor, uint64_t offset) {
  return syscall6(SYS_MMAP, (long)at, (long)bytes, protection, flags, descriptor, (long)offset);
}
static inline void unmap_memory(void* at, size_t bytes) { syscall2(SYS_MUNMAP, (long)at, (long)bytes); }

#ifdef RINGWALL_SANITIZE
#include "sanitize.h"
#else
// Whole pages, zeroed. Small state lives here too: it is rare (one record per mapping and per watch), so a page
// each costs less than an allocator would.
static inline void* pages_allocate(size_t bytes) {
  long result = map_memory(NULL, bytes, PROTECT_READ_WRITE, MAP_PRIVATE_ | MAP_ANONYMOUS_, -1, 0);
  return is_failure(result) ? NULL : (void*)result;
}
static inline void pages_free(void* at, size_t bytes) { unmap_memory(at, bytes); }
// A forked child never needs these; sharing them with one would make every later write here copy a page.
static inline void pages_keep_from_children(void* at, size_t bytes) { syscall4(SYS_MADVISE, (long)at, (long)bytes, MADVISE_DONTFORK, 0); }
// Gives the pages back and keeps the addresses for the life of the process. Refused: the memory stays as it is, which is safe too.
static inline void pages_reserve(void* at, size_t bytes) {
  map_memory(at, bytes, PROTECT_NONE, MAP_PRIVATE_ | MAP_ANONYMOUS_ | MAP_FIXED_ | MAP_NORESERVE_, -1, 0);
}
#endif

// Defects that `npm run sanitize` plants one at a time, to show that it finds them.
enum { PLANT_LEAK = 1, PLANT_OVERFLOW = 2, PLANT_UNDEFINED = 3 };
#ifndef RINGWALL_PLANT
#define RINGWALL_PLANT 0
#endif

#endif
