// CRC-32C and the frame kernels, one set of functions per CPU capability.
//
// CRC-32C: reflected polynomial 0x82f63b78, initial value and final xor all ones; the same function as
// src/base/crc32c.ts, which is the reference. The frame layout is in docs/FORMAT.md; in short:
//   +0 u32 checksum   +4 u32 payload bytes (bits 0..23) and kind (24..31)   +8 u32 partition   +12 u32 time
//   +16 u64 sequence  +24 payload, zero-padded to a multiple of 8
// The checksum covers [4, frame bytes), continued from the checksum of the frame's file position (u64), continued
// from a seed: bytes that are intact but stand in the wrong place or the wrong file are not valid.
#ifndef RINGWALL_KERNELS_H
#define RINGWALL_KERNELS_H

#include "platform.h"

enum { FRAME_HEADER_BYTES = 24 };

struct frames {
  uint8_t* memory;
  size_t start;       // offset of the first byte in `memory`; a multiple of 8
  size_t end;         // offset after the last byte
  uint64_t position;  // file position of the byte at `start`
  uint32_t seed;
};

struct kernel {
  const char* name;
  // `previous` is 0 to begin, or an earlier result to continue from.
  uint32_t (*checksum)(const uint8_t* bytes, size_t length, uint32_t previous);
  // The number of frames, or -1 when the lengths do not end exactly at `end`.
  int64_t (*seal)(const struct frames* frames);
  // The offset of the first frame that is not valid, or `end`.
  size_t (*verify)(const struct frames* frames);
  // The offset of the first valid frame, or `end`. Cost: see kernel-template.h.
  size_t (*find)(const struct frames* frames);
};

// The kernel with this index, best first; NULL past the last that this CPU can run.
const struct kernel* kernel_at(size_t index);

#endif
