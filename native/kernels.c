// The CRC tables, the choice of the kernel, and one instance of kernel-template.h per CPU capability.
#include "kernels.h"

#define POLYNOMIAL 0x82f63b78u
#define POWERS 512
enum { STREAM_WORDS_MAX = 256, STREAMS_WORDS_MIN = 24 };

typedef uint64_t word_unaligned __attribute__((aligned(1), may_alias));
typedef uint32_t half_unaligned __attribute__((aligned(1), may_alias));

static inline uint64_t load64(const uint8_t* at) { return *(const word_unaligned*)at; }
static inline uint32_t load32(const uint8_t* at) { return *(const half_unaligned*)at; }
static inline void store32(uint8_t* at, uint32_t value) { *(half_unaligned*)at = value; }

// The bytes of the frame at `frame`, or 0 when it does not fit into `room`.
static inline size_t frame_bytes(const uint8_t* frame, size_t room) {
  if (room < FRAME_HEADER_BYTES) return 0;
  size_t bytes = FRAME_HEADER_BYTES + (((load32(frame + 4) & 0xffffff) + 7) & ~7u);
  return bytes > room ? 0 : bytes;
}

// The same, and 0 also when it has no kind: without that, zeros would be a frame wherever their checksum is zero.
static inline size_t candidate_bytes(const uint8_t* frame, size_t room) {
  size_t bytes = frame_bytes(frame, room);
  return bytes != 0 && (frame[7] & 0x0f) != 0 ? bytes : 0;
}

// What `verify` asks for before it gets there. What another core has just copied is not in this one's cache, and the hardware's
// prefetch begins anew with each frame and each page: measured over 128 MiB of frames of 1 KiB 6.4 GB/s without, 8.9 with it; in cache 15 and 14.
enum { AHEAD_BYTES = 8192, CACHE_LINE_BYTES = 64 };

// Up to AHEAD_BYTES behind `at`, which is all of a short frame and the next ones. Returns how far it has asked.
static inline size_t ask_ahead(const struct frames* frames, size_t asked, size_t at) {
  if (asked < at) asked = at;
  size_t to = frames->end - at > AHEAD_BYTES ? at + AHEAD_BYTES : frames->end;
  for (; asked < to; asked += CACHE_LINE_BYTES) __builtin_prefetch(frames->memory + asked);
  return asked;
}

// Written once, by the constructor, while the dynamic loader holds its lock; only read afterwards.
static uint32_t slices[8][256];             // slicing-by-8
static uint32_t powers_low[POWERS + 1];     // [i] = x^(64 i - 33) mod P
static uint32_t powers_middle[POWERS];      // [i] = x^(64 * 512 i - 33) mod P
static uint32_t powers_high[16];            // [i] = x^(64 * 512 * 512 i - 33) mod P: enough for 2^24 bytes and more
static const struct kernel* available[3];

static inline uint32_t table_byte(uint32_t state, uint8_t byte) { return slices[0][(state ^ byte) & 0xff] ^ (state >> 8); }

static inline uint32_t table_half(uint32_t state, uint32_t half) {
  state ^= half;
  return slices[3][state & 0xff] ^ slices[2][state >> 8 & 0xff] ^ slices[1][state >> 16 & 0xff] ^ slices[0][state >> 24];
}

static inline uint32_t table_word(uint32_t state, uint64_t word) {
  word ^= state;
  return slices[7][word & 0xff] ^ slices[6][word >> 8 & 0xff] ^ slices[5][word >> 16 & 0xff] ^ slices[4][word >> 24 & 0xff] ^
         slices[3][word >> 32 & 0xff] ^ slices[2][word >> 40 & 0xff] ^ slices[1][word >> 48 & 0xff] ^ slices[0][word >> 56];
}

static inline uint64_t carryless_portable(uint32_t a, uint32_t b) {
  uint64_t product = 0;
  for (int bit = 0; bit < 32; bit++) product ^= ((uint64_t)a << bit) & (0 - (uint64_t)(b >> bit & 1));
  return product;
}

#define NAME(x) table_##x
#define KERNEL_NAME "table"
#define TARGET
#define FOLDS 0
#define CRC_WORD table_word
#define CRC_HALF table_half
#define CRC_BYTE table_byte
#define CARRYLESS carryless_portable
#include "kernel-template.h"

#if defined(__x86_64__)

typedef long long vector __attribute__((vector_size(16)));
#define X86_FOLDS_TARGET __attribute__((target("sse4.2,pclmul")))

X86_FOLDS_TARGET static inline uint64_t carryless_pclmul(uint32_t a, uint32_t b) {
  return (uint64_t)__builtin_ia32_pclmulqdq128((vector){ a, 0 }, (vector){ b, 0 }, 0)[0];
}

#define NAME(x) sse42_##x
#define KERNEL_NAME "sse4.2"
#define TARGET X86_FOLDS_TARGET
#define FOLDS 1
#define CRC_WORD(state, word) (uint32_t)__builtin_ia32_crc32di(state, word)
#define CRC_HALF __builtin_ia32_crc32si
#define CRC_BYTE __builtin_ia32_crc32qi
#define CARRYLESS carryless_pclmul
#include "kernel-template.h"

// Nehalem and virtual machines that imitate it have the CRC instruction without the carry-less multiplication.
#define NAME(x) sse42_serial_##x
#define KERNEL_NAME "sse4.2"
#define TARGET __attribute__((target("sse4.2")))
#define FOLDS 0
#define CRC_WORD(state, word) (uint32_t)__builtin_ia32_crc32di(state, word)
#define CRC_HALF __builtin_ia32_crc32si
#define CRC_BYTE __builtin_ia32_crc32qi
#define CARRYLESS carryless_portable
#include "kernel-template.h"

static void kernels_detect(size_t count) {
  uint32_t a = 1, b, c = 0, d;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  bool crc = c >> 20 & 1, carryless = c >> 1 & 1;
  if (crc && carryless) available[count++] = &sse42_kernel;
  if (crc) available[count++] = &sse42_serial_kernel;
  available[count] = &table_kernel;
}

#else

// Inline assembly instead of intrinsics: gcc and clang spell the target attributes differently.
static inline uint32_t arm_word(uint32_t state, uint64_t word) {
  __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(state) : "r"(word));
  return state;
}
static inline uint32_t arm_half(uint32_t state, uint32_t half) {
  __asm__(".arch_extension crc\n\tcrc32cw %w0, %w0, %w1" : "+r"(state) : "r"(half));
  return state;
}
static inline uint32_t arm_byte(uint32_t state, uint32_t byte) {
  __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(state) : "r"(byte));
  return state;
}
static inline uint64_t carryless_pmull(uint32_t a, uint32_t b) {
  uint64_t product;
  __asm__(".arch_extension crypto\n\tfmov d30, %x1\n\tfmov d31, %x2\n\tpmull v30.1q, v30.1d, v31.1d\n\tfmov %x0, d30"
          : "=r"(product) : "r"((uint64_t)a), "r"((uint64_t)b) : "v30", "v31");
  return product;
}

#define NAME(x) arm_##x
#define KERNEL_NAME "arm64-crc"
#define TARGET
#define FOLDS 1
#define CRC_WORD arm_word
#define CRC_HALF arm_half
#define CRC_BYTE arm_byte
#define CARRYLESS carryless_pmull
#include "kernel-template.h"

// Cortex-A72 on the Raspberry Pi has the CRC instructions without the cryptographic ones.
#define NAME(x) arm_serial_##x
#define KERNEL_NAME "arm64-crc"
#define TARGET
#define FOLDS 0
#define CRC_WORD arm_word
#define CRC_HALF arm_half
#define CRC_BYTE arm_byte
#define CARRYLESS carryless_portable
#include "kernel-template.h"

// getauxval belongs to the C library, so the kernel's own copy is read.
static uint64_t capabilities(void) {
  enum { AT_HWCAP = 16, AT_FDCWD = -100 };
  uint64_t entry[2], found = 0;
  long descriptor = syscall4(SYS_OPENAT, AT_FDCWD, (long)"/proc/self/auxv", 0, 0);
  if (descriptor < 0) return 0;
  while (syscall4(SYS_READ, descriptor, (long)entry, sizeof entry, 0) == (long)sizeof entry && entry[0] != 0) {
    if (entry[0] == AT_HWCAP) found = entry[1];
  }
  syscall2(SYS_CLOSE, descriptor, 0);
  return found;
}

static void kernels_detect(size_t count) {
  uint64_t found = capabilities();
  bool crc = found >> 7 & 1, carryless = found >> 4 & 1;
  if (crc && carryless) available[count++] = &arm_kernel;
  if (crc) available[count++] = &arm_serial_kernel;
  available[count] = &table_kernel;
}

#endif

const struct kernel* kernel_at(size_t index) {
  return index < sizeof available / sizeof available[0] ? available[index] : NULL;
}

static void tables_build(void) {
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; bit++) value = value & 1 ? value >> 1 ^ POLYNOMIAL : value >> 1;
    slices[0][byte] = value;
  }
  for (uint32_t byte = 0; byte < 256; byte++) {
    for (int slice = 1; slice < 8; slice++) slices[slice][byte] = table_byte(slices[slice - 1][byte], 0);
  }
  // In the reflected order x^31 is the lowest bit. A zero word multiplies by x^64.
  powers_low[1] = 1;
  for (size_t index = 2; index <= POWERS; index++) powers_low[index] = table_word(powers_low[index - 1], 0);
  powers_middle[1] = powers_low[POWERS];
  for (size_t index = 2; index < POWERS; index++) powers_middle[index] = table_advance(powers_middle[index - 1], POWERS);
  powers_high[1] = table_advance(powers_middle[POWERS - 1], POWERS);
  for (size_t index = 2; index < sizeof powers_high / sizeof powers_high[0]; index++) {
    powers_high[index] = table_advance(powers_high[index - 1], (size_t)POWERS * POWERS);
  }
}

__attribute__((constructor)) static void kernels_begin(void) {
  tables_build();
  kernels_detect(0);
}
